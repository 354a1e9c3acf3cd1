#!/usr/bin/env bash
# Makes what a real guest boots from Debian packages: vmlinux (QEMU starts it without a BIOS and without unpacking it: PVH) and an initial
# file system of busybox, keepalived and the drivers of its network cards. Nothing is installed for it but what setup.sh --labs names.
#
#     bash native-fixtures/qemu/build.sh FOLDER      prints the folder of what was made; finds it there the next time
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
made=$1

# Not Debian's cloud kernel, which has no e1000: the same source, and both cards.
kernel=$(apt-cache depends linux-image-amd64 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
[[ -n $kernel ]] || { echo 'no Debian kernel is known here: apt-get update' >&2; exit 3; }
version=$(apt-cache show --no-all-versions "$kernel" | sed -n 's/^Version: //p')
want=$({ echo "$kernel $version"; cat "$here/build.sh" "$here/init" /bin/busybox /usr/sbin/keepalived; } | sha256sum | cut -c 1-16)
out=$made/guest-$want
if [[ -e $out/made ]]; then echo "$out"; exit 0; fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$work" && apt-get -qq -o APT::Sandbox::User=root download "$kernel=$version" >&2)
dpkg -x "$work"/linux-image-*.deb "$work/kernel"
mkdir -p "$out"

# The kernel's own program, out of what boots it: from the magic number of its compression on. What follows it is no part of it.
image=$(echo "$work"/kernel/boot/vmlinuz-*)
if offset=$(LC_ALL=C grep -abom 1 $'\xfd7zXZ' "$image" | cut -d : -f 1) && [[ -n $offset ]]; then
  unpack=(xz -dc --single-stream)
else
  offset=$(LC_ALL=C grep -abomP 1 '\x02\x21\x4c\x18' "$image" | cut -d : -f 1)
  unpack=(lz4 -dc)
fi
tail -c "+$((offset + 1))" "$image" 2>/dev/null | "${unpack[@]}" >"$out/vmlinux" 2>/dev/null || true # it complains of what follows
[[ $(head -c 4 "$out/vmlinux" | tail -c 3) == ELF ]] || { echo "$image: no kernel found in it" >&2; exit 3; }

root=$work/root
mkdir -p "$root"/{bin,dev,etc/keepalived,proc,run,sys,tmp,lib/modules,usr/bin,usr/sbin,var/run}
cp /bin/busybox "$root/bin/busybox"
for tool in sh mount mkdir cat stty insmod ip base64 test kill sleep cut readlink basename; do ln -s busybox "$root/bin/$tool"; done
ln -s ../../bin/busybox "$root/usr/bin/test"
echo 'root:x:0:0:root:/:/bin/sh' >"$root/etc/passwd"
echo 'root:x:0:' >"$root/etc/group"
cp /usr/sbin/keepalived "$root/usr/sbin/keepalived"
ldd /usr/sbin/keepalived | grep -o '/[^ ]*' | while read -r library; do
  mkdir -p "$root$(dirname "$library")"
  cp -L "$library" "$root$library"
done
# In the order in which one needs the other.
modules=$(basename "$work"/kernel/lib/modules/*)
depmod -b "$work/kernel" "$modules"
for module in virtio_pci virtio_net e1000 macvlan; do modprobe -d "$work/kernel" -S "$modules" --show-depends "$module"; done |
  sed -n 's/^insmod //p' | awk '!seen[$1]++ { print $1 }' | while read -r path; do
    cp "$path" "$root/lib/modules/"
    echo "insmod /lib/modules/$(basename "$path")" >>"$root/modules"
  done
install -m 755 "$here/init" "$root/init"
(cd "$root" && find . | cpio --quiet -o -H newc) >"$out/guest.cpio"
touch "$out/made"
echo "$out"
