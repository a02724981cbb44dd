"""Packed forms that no server around here writes: old ones, and listpacks wider than they need be."""


def ziplist(elements: list[bytes]) -> bytes:
    """A ziplist, integers in their shortest form."""
    body = b""
    last = 10
    length_before = 0
    for element in elements:
        last = 10 + len(body)
        entry = _ziplist_length(length_before) + _ziplist_body(element)
        body += entry
        length_before = len(entry)
    total = 11 + len(body)
    count = min(len(elements), 65535)
    return total.to_bytes(4, "little") + last.to_bytes(4, "little") + count.to_bytes(2, "little") + body + b"\xff"


def _ziplist_length(length: int) -> bytes:
    return bytes((length,)) if length < 254 else b"\xfe" + length.to_bytes(4, "little")


def _ziplist_body(element: bytes) -> bytes:
    try:
        number = int(element)
    except ValueError:
        number = 1 << 64
    if b"%d" % number == element and len(element) < 32:
        if 0 <= number <= 12:
            return bytes((0xF1 + number,))
        for header, width in ((0xFE, 1), (0xC0, 2), (0xF0, 3), (0xD0, 4), (0xE0, 8)):
            if -(1 << 8 * width - 1) <= number < 1 << 8 * width - 1:
                return bytes((header,)) + number.to_bytes(width, "little", signed=True)
    length = len(element)
    if length < 1 << 6:
        return bytes((length,)) + element
    if length < 1 << 14:
        return (0x4000 | length).to_bytes(2, "big") + element
    return b"\x80" + length.to_bytes(4, "big") + element


def zipmap(pairs: dict[bytes, bytes], unused: int = 0) -> bytes:
    """A zipmap with so many unused bytes behind each value."""
    body = b"".join(
        _zipmap_length(len(field)) + field + _zipmap_length(len(value)) + bytes((unused,)) + value + b"\0" * unused
        for field, value in pairs.items()
    )
    return bytes((min(len(pairs), 254),)) + body + b"\xff"


def _zipmap_length(length: int) -> bytes:
    return bytes((length,)) if length < 254 else b"\xfe" + length.to_bytes(4, "little")


def loose_listpack(elements: list[tuple[bytes, int]]) -> bytes:
    """A listpack of elements in forms that are so many steps wider than the narrowest, as far as there are any."""
    body = b""
    for element, wider in elements:
        forms = _listpack_forms(element)
        form = forms[min(wider, len(forms) - 1)]
        body += form + _back_length(len(form))
    count = min(len(elements), 65535)
    return (7 + len(body)).to_bytes(4, "little") + count.to_bytes(2, "little") + body + b"\xff"


def _listpack_forms(element: bytes) -> list[bytes]:
    forms = []
    if len(element) <= 20 and element.removeprefix(b"-").isdigit() and b"%d" % int(element) == element:
        number = int(element)
        if 0 <= number < 128:
            forms.append(bytes((number,)))
        if -4096 <= number < 4096:
            forms.append(((number & 0x1FFF) | 0xC000).to_bytes(2, "big"))
        for header, width in ((0xF1, 2), (0xF2, 3), (0xF3, 4), (0xF4, 8)):
            if -(1 << 8 * width - 1) <= number < 1 << 8 * width - 1:
                forms.append(bytes((header,)) + number.to_bytes(width, "little", signed=True))
    length = len(element)
    if length < 64:
        forms.append(bytes((0x80 | length,)) + element)
    if length < 4096:
        forms.append((0xE000 | length).to_bytes(2, "big") + element)
    forms.append(b"\xf0" + length.to_bytes(4, "little") + element)
    return forms


def _back_length(length: int) -> bytes:
    groups = [length & 127]
    while length := length >> 7:
        groups.append(length & 127)
    return bytes((groups[-1], *(group | 128 for group in groups[-2::-1])))
