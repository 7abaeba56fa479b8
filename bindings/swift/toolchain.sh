#!/usr/bin/env bash
# A Swift toolchain where there is none: Debian trixie's `swiftlang`, unpacked (not configured) into a root of its own, and programs
# run in it. 104 packages, 550 MB to fetch, 1.7 GB on disk, once a machine: the root stands outside of target/, so `make clean` keeps it.
# Needs root, the right to make a mount namespace, and mmdebstrap (`scripts/deps.sh swift`).
#
#   toolchain.sh check                   status 0 if this user may do that here; otherwise says why not
#   toolchain.sh make                    makes the root, unless it is there and whole
#   toolchain.sh run  FOLDER COMMAND...  runs COMMAND in it, with a /proc and /tmp of its own; all it started ends with it
#   toolchain.sh exec FOLDER COMMAND...  becomes COMMAND: the same process, which gets every signal itself; the machine's /proc
#
# FOLDER is seen in the root by the path that it has outside, so that messages and paths mean the same on both sides. COMMAND starts
# in FOLDER. The network is the machine's. Of the environment it gets what names begin with EWEBRTC_, and no more.
#
#   EWEBRTC_SWIFT_ROOT   where the root is, ~/.cache/ewebrtc/swift-root unless it is set
set -euo pipefail

root=${EWEBRTC_SWIFT_ROOT:-${XDG_CACHE_HOME:-$HOME/.cache}/ewebrtc/swift-root}
packages=swiftlang,libc6-dev,libstdc++-14-dev,dash,coreutils
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
# What the root was made from; another recipe makes it anew.
recipe="trixie $packages 1"

check() {
    [ "$(id -u)" -eq 0 ] || { echo 'there is no swift, and only root can unpack one into a root of its own'; return 1; }
    unshare --mount --pid --fork sh -c 'd=$(mktemp -d) && mount -t tmpfs tmpfs "$d" && umount "$d"; e=$?; rmdir "$d"; exit $e' 2>/dev/null ||
        { echo 'there is no swift, and this user may not unshare and mount, as its own root needs'; return 1; }
}

# The mirror of this machine's own sources, in apt's own reading of them: both formats, whatever the file is called.
mirror() {
    apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | sed -n 's,/debian/*$,/debian,p' | sort -u | head -1
}

whole() { [ "$(cat "$root/.complete" 2>/dev/null)" = "$recipe" ]; }

make_root() {
    mkdir -p "$(dirname "$root")"
    exec 9>"$root.lock"
    flock 9 # another run may be at it
    if whole; then return; fi
    if [ -e "$root" ] && [ ! -e "$root/.complete" ]; then
        echo "swift: $root is not a root that this script has made; it is left alone" >&2
        exit 1
    fi
    local from
    from=$(mirror)
    [ -n "$from" ] || { echo "swift: apt's sources name no mirror of Debian" >&2; exit 1; }
    echo "swift: unpacking the toolchain into $root (550 MB from $from)" >&2
    rm -rf --one-file-system "$root.part"
    local cut part
    cut=(usr/share/doc usr/share/man usr/share/locale usr/libexec/swift/lib/swift_static usr/libexec/swift/lib/liblldb
        usr/libexec/swift/bin/lldb usr/libexec/swift/lib/libsourcekitdInProc usr/libexec/swift/bin/clangd)
    for part in "${!cut[@]}"; do cut[part]="--dpkgopt=path-exclude=/${cut[part]}*"; done
    # Nothing is configured, so what base-files would do is done by hand: /bin is /usr/bin.
    mmdebstrap --quiet --mode=root --variant=extract "${cut[@]}" \
        --aptopt='Acquire::Languages "none"' --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Retries "3"' \
        --setup-hook='for d in bin sbin lib lib64; do mkdir -p "$1/usr/$d"; ln -s "usr/$d" "$1/$d"; done' \
        --include="$packages" trixie "$root.part" "deb [signed-by=$keyring] $from trixie main" >&2
    mkdir -p "$root.part"/{proc,dev,tmp}
    rm -rf --one-file-system "$root"
    echo "$recipe" >"$root.part/.complete"
    mv "$root.part" "$root"
}

enter() { # enter HOW FOLDER COMMAND...
    local how=$1 folder kept=() name
    folder=$(realpath "$2")
    shift 2
    for name in $(compgen -e); do
        case $name in EWEBRTC_*) kept+=("$name=${!name}") ;; esac
    done
    mkdir -p "$root$folder" "$folder/home"
    # swiftc finds its libraries by /proc/self/exe.
    local inside='root=$1 folder=$2 how=$3; shift 3
        if [ "$how" = run ]; then mount -t proc proc "$root/proc"; else mount --rbind /proc "$root/proc"; fi
        mount --rbind /dev "$root/dev"; mount -t tmpfs tmpfs "$root/tmp"; mount --bind "$folder" "$root$folder"
        exec chroot "$root" /usr/bin/env -i -C "$folder" "$@"'
    local space=(unshare --mount)
    [ "$how" = exec ] || space+=(--pid --fork --kill-child)
    exec "${space[@]}" sh -euc "$inside" sh "$root" "$folder" "$how" \
        PATH=/usr/libexec/swift/bin:/usr/bin:/bin HOME="$folder/home" LANG=C.UTF-8 ${kept[@]+"${kept[@]}"} "$@"
}

case ${1-} in
check) check ;;
make) make_root ;;
run | exec) enter "$@" ;;
*)
    sed -n '2,/^set /{/^#/p}' "$0" >&2
    exit 2
    ;;
esac
