# Sourced by the scripts: what they need, and where it comes from when it is missing.

# need COMMAND PACKAGE: installs a Debian package when we may, and says what to do when we may not.
need() {
  command -v "$1" >/dev/null 2>&1 && return
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing $2, which brings $1"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$2" >/dev/null
  else
    echo "$1 is missing. Install it and run this again, for example: sudo apt-get install $2" >&2
    exit 1
  fi
}

# What building takes: Rust, and a C compiler with cmake for zlib-ng, which Pingora brings, and make for jemalloc.
need_build_tools() {
  if ! command -v cargo >/dev/null 2>&1; then
    echo "cargo is missing. Install Rust 1.95 or newer from https://rustup.rs and run this again" >&2
    exit 1
  fi
  need cmake cmake
  need cc build-essential
  need make make
}
