# syntax=docker/dockerfile:1
# A small image: the gateway, certificates, nothing that runs as root.
#
#   docker build -t tollgate .
#   docker run --read-only -p 8080:8080 -v ./tollgate.toml:/etc/tollgate/tollgate.toml:ro -v tollgate-data:/data tollgate
#
# State belongs in /data (`[state] dir = "/data"`); nothing else is written. The admin listener is on loopback inside the
# container unless the configuration says otherwise.

FROM rust:1.95-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends cmake && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY Cargo.toml Cargo.lock ./
COPY src src
COPY benches benches
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/build/target \
    cargo build --profile dist --locked && cp target/dist/tollgate /tollgate

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/* \
    && install -d -o 65532 -g 65532 /data && install -d /etc/tollgate
COPY --from=build /tollgate /usr/local/bin/tollgate
USER 65532:65532
WORKDIR /data
VOLUME /data
EXPOSE 8080 9090
# Asks /readyz on the admin listener of the default configuration.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["tollgate", "health"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["tollgate"]
CMD ["run", "/etc/tollgate/tollgate.toml"]
