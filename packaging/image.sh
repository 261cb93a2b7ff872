#!/usr/bin/env bash
# Builds the image from the Dockerfile and tries it: without a daemon, without a registry of images, on Debian as root.
#
#   packaging/image.sh [BINARY]      target/dist/tollgate unless named; its debug information is left out
#   packaging/image.sh --whole       compiles as the Dockerfile says, but with this machine's toolchain and unoptimised
#
# The base images are made here from Debian's packages; target/image/ keeps what takes long. Prints a line for each
# promise, and "N passed, N failed" at the end.
if [ -z "${BASH_VERSION:-}" ]; then exec bash "$0" "$@"; fi
set -euo pipefail
cd "$(dirname "$0")/.."
source .ci/need.sh

SIZE_MAX_MB=60
READY_MAX_S=5
REQUEST_MAX_S=10

if [ "$(id -u)" != 0 ]; then echo "run this as root: containers are made without a daemon" >&2 && exit 1; fi
need podman podman
need runc runc
need mmdebstrap mmdebstrap
need curl curl
need strip binutils

work=target/image
mkdir -p "$work"
here=$(mktemp -d)
chmod 755 "$here"

# podman ARGUMENT…: with a storage that goes with this script.
podman() {
  STORAGE_DRIVER=vfs command podman --root "$here/images" --runroot "$here/run" --runtime runc \
    --cgroup-manager cgroupfs --events-backend file "$@"
}

clean_up() {
  podman rm --all --force --time 0 >/dev/null 2>&1 || true
  { umount "$here"/images/*; umount "$here/images"; } 2>/dev/null || true
  rm -rf "$here"
}
trap clean_up EXIT

passed=0 failed=0
# holds WHAT COMMAND…: a promise.
holds() {
  local what=$1
  shift
  if "$@"; then passed=$((passed + 1)) && echo "ok      $what"; else failed=$((failed + 1)) && echo "FAILED  $what"; fi
}

is() { [ "$1" = "$2" ] || { echo "        $1 instead of $2" && false; }; }

# within SECONDS COMMAND…: whether it succeeds by then.
within() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    if [ "$SECONDS" -ge "$deadline" ]; then return 1; fi
    sleep 0.1
  done
}

# --- Build ------------------------------------------------------------------------------------------------------------

# build TAG CONTEXT ARGUMENT…
build() {
  podman build --quiet --isolation chroot --pull=never --format docker --tag "$1" "${@:3}" "$2" >/dev/null
}

make_debian() {
  if ! [ -s "$work/debian.tar" ]; then
    mmdebstrap --quiet --variant=apt bookworm "$work/debian.new.tar"
    mv "$work/debian.new.tar" "$work/debian.tar"
  fi
  podman import --quiet "$work/debian.tar" docker.io/library/debian:bookworm-slim >/dev/null
}

# Of rust:1.95-bookworm what the build takes: a C compiler, and the toolchain, which is this machine's, as are the
# authorities that the registry's certificate is verified with.
make_rust() {
  cat >"$here/Dockerfile" <<'END'
FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends build-essential ca-certificates
COPY . /toolchain
COPY --from=authorities ca-certificates.crt /etc/ssl/certs/
ENV PATH=/toolchain/bin:/usr/sbin:/usr/bin:/sbin:/bin CARGO_HOME=/usr/local/cargo
ENV CARGO_PROFILE_DIST_LTO=off CARGO_PROFILE_DIST_OPT_LEVEL=0 CARGO_PROFILE_DIST_CODEGEN_UNITS=256
END
  build docker.io/library/rust:1.95-bookworm "$(rustc --print sysroot)" --file "$here/Dockerfile" \
    --build-context authorities=/etc/ssl/certs
}

echo "building"
make_debian
if [ "${1:-}" = --whole ]; then
  make_rust
  build tollgate .
else
  strip -o "$work/tollgate" "${1:-${CARGO_TARGET_DIR:-target}/dist/tollgate}"
  build tollgate . --build-arg BINARY=prebuilt
fi

# --- What is in it ----------------------------------------------------------------------------------------------------

# fact TEMPLATE: of the image.
fact() { podman image inspect --format "$1" localhost/tollgate:latest; }

# What nobody optimised is no measure of what ships.
size_mb=$(($(fact '{{.Size}}') / 1000000))
[ "${1:-}" = --whole ] || holds "it has $size_mb MB, at most $SIZE_MAX_MB" [ "$size_mb" -lt "$SIZE_MAX_MB" ]
holds "it runs as a user who is not root, by number" is "$(fact '{{.Config.User}}')" 65532:65532
holds "its state is a volume" is "$(fact '{{.Config.Volumes}}')" 'map[/data:{}]'
holds "it is stopped by SIGTERM" is "$(fact '{{.Config.StopSignal}}')" SIGTERM
holds "its health is asked with tollgate health" is "$(fact '{{.Config.Healthcheck.Test}}')" '[CMD tollgate health]'

files() { podman export "$(podman create --pull never localhost/tollgate:latest)" | tar -tv --numeric-owner; }
files >"$here/files"
holds "it has no shell and no other program" is "$(awk '/^-..x/ { print $6 }' "$here/files" | grep -v '\.so' | xargs)" \
  usr/local/bin/tollgate
holds "nothing in it is setuid or writable by all" is "$(awk '/^-..[sS]|^-.......w/' "$here/files")" ""
holds "nothing but its state is its user's" is "$(awk '$2 == "65532/65532" { print $6 }' "$here/files" | xargs)" data/

# --- How it runs ------------------------------------------------------------------------------------------------------

mkdir "$here/conf"
cat >"$here/conf/tollgate.toml" <<'END'
[server]
drain = "8s"

[[apis.demo.routes]]
method = "GET"
path = "/hello"
integration = { type = "MOCK", body = "hello" }

[[apis.demo.routes]]
method = "GET"
path = "/slow"
integration = { type = "HTTP_PROXY", uri = "http://back-end:9001/slow?ms=3000" }

[[apis.demo.routes]]
method = "GET"
path = "/keyed"
api_key_required = true
integration = { type = "MOCK" }

[apis.demo.stages.prod]

[usage_plans.three]
stages = ["demo/prod"]
quota = { limit = 3, period = "month" }

[api_keys.alice]
value = "alice-image-key-0123456789"
usage_plans = ["three"]
END

# Limits that need no privilege to set; a network of its own, where nobody's ports are taken.
run() {
  podman run --detach --pull never --no-healthcheck --read-only --read-only-tmpfs=false --cap-drop all \
    --security-opt no-new-privileges --ulimit "nofile=$(ulimit -Hn)" --ulimit nproc=4096 --volume tollgate-data:/data \
    --volume "$here/conf:/etc/tollgate:ro" "$@" >/dev/null
}
start() {
  run --name gateway --network none --add-host back-end:127.0.0.1 localhost/tollgate:latest
  pid=$(podman inspect --format '{{.State.Pid}}' gateway)
}
inside() { nsenter --net="/proc/$pid/ns/net" "$@"; }
# ask PATH ARGUMENT…: prints the status.
ask() { inside curl -s -o /dev/null -w '%{http_code}' --max-time "$REQUEST_MAX_S" "http://127.0.0.1:8080$1" "${@:2}"; }
# health: the command that the image names for it.
health() { podman exec gateway tollgate health; }
# gone: the gateway's process has ended.
gone() { [ "$(podman inspect --format '{{.State.Status}}' gateway)" = exited ]; }
of_process() { awk -v name="$1:" '$1 == name { print $NF }' "/proc/$pid/status"; }

start
holds "it is ready within $READY_MAX_S s, says its health check" within "$READY_MAX_S" health
holds "it is process 1" is "$(of_process NSpid)" 1
holds "it has no capability" is "$(of_process CapEff)" 0000000000000000
holds "it may gain no privilege" is "$(of_process NoNewPrivs)" 1
holds "a request is answered" is "$(ask /demo/prod/hello)" 200
holds "its root is mounted read-only" is "$(awk '$2 == "/" { print substr($4, 1, 3) }' "/proc/$pid/mounts")" ro,
for _ in 1 2; do ask /demo/prod/keyed -H 'x-api-key: alice-image-key-0123456789' >/dev/null; done

sed -i 's/body = "hello"/status = 201/' "$here/conf/tollgate.toml"
podman kill --signal HUP gateway >/dev/null
reloaded() { [ "$(ask /demo/prod/hello)" = 201 ]; }
holds "SIGHUP reaches it and reloads" within "$READY_MAX_S" reloaded

run --name back-end --network container:gateway --entrypoint '["tollgate", "demo-backend"]' localhost/tollgate:latest
demo_answers() { inside curl -s --max-time 1 http://127.0.0.1:9001/; }
within "$READY_MAX_S" demo_answers
ask /demo/prod/slow >"$here/slow" &
slow=$!
sleep 1
podman kill --signal TERM gateway >/dev/null
not_ready() { [ "$(health)" = draining ]; }
holds "SIGTERM reaches it, and its health check fails" within 2 not_ready
wait "$slow" || true
holds "a request in flight, to a back end by name, is finished" is "$(cat "$here/slow")" 200
holds "then it ends" within "$REQUEST_MAX_S" gone
holds "with success" is "$(podman inspect --format '{{.State.ExitCode}}' gateway)" 0

for name in back-end gateway; do podman rm --force --time 0 "$name" >/dev/null; done
start
within "$READY_MAX_S" health
keyed() { ask /demo/prod/keyed -H 'x-api-key: alice-image-key-0123456789'; }
holds "another container on the same volume knows what was used" is "$(keyed) $(keyed)" "200 429"

printf '\n%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
