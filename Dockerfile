# syntax=docker/dockerfile:1
# A small image: the gateway, the libraries it names, the certificates of public authorities. No shell, nothing that
# runs as root.
#
#   docker build -t tollgate .
#   docker run --read-only -p 8080:8080 -v ./conf:/etc/tollgate:ro -v tollgate-data:/data tollgate   (conf/tollgate.toml)
#
# State belongs in /data, where a configuration without `[state]` has it; nothing else is written. The admin listener is
# on loopback inside the container unless the configuration says otherwise.
#
# `--build-arg BINARY=prebuilt` takes target/image/tollgate instead of compiling; packaging/image.sh does so, and tries
# the image.

ARG BINARY=compiled

FROM rust:1.95-bookworm AS compiled
RUN apt-get update && apt-get install -y --no-install-recommends cmake && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo
COPY src src
COPY benches benches
COPY packaging/dist.profdata packaging/dist.trained packaging/profile.sh packaging/
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/build/target \
    . packaging/profile.sh && cargo build --profile dist --locked && cp target/dist/tollgate /tollgate

FROM scratch AS prebuilt
COPY target/image/tollgate /tollgate

# The default is written twice for older builders, which do not look for it above.
FROM ${BINARY:-compiled} AS binary

FROM debian:bookworm-slim AS root
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/*
COPY --from=binary /tollgate /root/usr/local/bin/tollgate
WORKDIR /root
# /volume holds what the gateway's user owns.
RUN set -eu; \
    libraries=$(ldd usr/local/bin/tollgate | awk '$2 == "=>" { print $3 } $1 ~ /^\// { print $1 }'); \
    cp --parents --dereference $libraries /etc/ssl/certs/ca-certificates.crt .; \
    echo 'tollgate:x:65532:65532:Tollgate:/data:/sbin/nologin' > etc/passwd; \
    echo 'tollgate:x:65532:' > etc/group; \
    echo 'hosts: files dns' > etc/nsswitch.conf; \
    rm -f .bashrc .profile; \
    chmod 755 usr/local/bin/tollgate; \
    mkdir -p etc/tollgate /volume/data

FROM scratch
LABEL org.opencontainers.image.title="Tollgate" \
      org.opencontainers.image.description="An API gateway: usage plans, response cache, stages with canaries" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV PATH=/usr/local/bin
COPY --from=root /root /
COPY --from=root --chown=65532:65532 /volume /
USER 65532:65532
WORKDIR /
VOLUME /data
EXPOSE 8080 9090
# Asks /readyz on the admin listener of the default configuration; TOLLGATE_ADMIN names another.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["tollgate", "health"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["tollgate"]
CMD ["run", "/etc/tollgate/tollgate.toml"]
