# respkv in a slim image: compiled in the first stage, run without compiler, pip or root in the second.
#
#     docker build --tag respkv .
#     docker run --publish 127.0.0.1:6379:6379 --volume respkv:/data respkv --appendfsync everysec
#
# What follows the image's name is added to the command line. For another command of respkv:
#     docker run --rm --volume respkv:/data --entrypoint respkv respkv check --dir /data

FROM python:3.13-slim AS build
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev
WORKDIR /src
COPY pyproject.toml setup.py README.md LICENSE ./
COPY respkv ./respkv
RUN python -m venv --without-pip /opt/respkv
RUN RESPKV_COMPILE=1 pip --python /opt/respkv/bin/python install --no-cache-dir .

FROM python:3.13-slim
RUN useradd --system --no-create-home respkv && install --directory --owner respkv --group respkv /data
COPY --from=build /opt/respkv /opt/respkv
ENV PATH=/opt/respkv/bin:$PATH
USER respkv
WORKDIR /data
VOLUME /data
EXPOSE 6379
# A PONG is health; so is the demand for a password.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD ["python", "-c", "import socket; s = socket.create_connection(('127.0.0.1', 6379), 3); s.sendall(b'PING\\r\\n'); raise SystemExit(s.recv(7) not in (b'+PONG\\r\\n', b'-NOAUTH'))"]
# Whoever publishes the port decides who may connect: protected mode would refuse all but the container.
ENTRYPOINT ["respkv", "serve", "--dir", "/data", "--bind", "*", "--protected-mode", "no"]
