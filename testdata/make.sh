#!/usr/bin/env bash
# Makes the sample archives of this folder, or of the folder named, from input that it writes itself, with the peers that
# tests/peers/install pins. The same bytes come out every time; the peer tests compare them with the committed ones.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "${1:-$here}/broken"
out=$(cd "${1:-$here}" && pwd)
"$here/../tests/peers/install" >&2
peers=$(realpath -m "${CARGO_TARGET_DIR:-$here/../target}")/peers
ipfs() { "$peers/bin/ipfs" --offline "$@"; }
gocar=$peers/bin/gocar
ipfs_car=$peers/node_modules/.bin/ipfs-car
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export IPFS_PATH=$work/repository
export IPFS_TELEMETRY=off
export LC_ALL=C.UTF-8
# The profile for tests has no peers and no addresses to reach them by.
ipfs init --empty-repo --profile=test >/dev/null

add() { ipfs add -r -Q --cid-version=1 "$@"; }
# Every block of the DAGs, root first, in the order of a walk.
walk() { for root; do echo "$root"; ipfs refs -r -u "$root"; done; }

# A token: metadata that names a picture and an animation, each in a folder of its own under its own name.
svg() { # title, count, extra
  echo "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 256 256\"><title>$1</title><rect width=\"256\" height=\"256\" fill=\"#10243f\"/>"
  for ((i = 0; i < $2; i++)); do
    echo "<circle cx=\"$((i * 89 % 256))\" cy=\"$((i * 55 % 256))\" r=\"$((i % 7 + 1))\" fill=\"hsl($((i * 137 % 360)),70%,60%)\">$3</circle>"
  done
  echo '</svg>'
}
mkdir image animation
svg 'First light' 200 '' >'image/first light.svg'
svg 'First light, moving' 150 '<animate attributeName="opacity" values="1;0.2;1" dur="4s" repeatCount="indefinite"/>' >animation/drift.svg
image=$(add image)
# Small chunks, so that a small file is a DAG of many blocks.
animation=$(add --chunker=size-4096 animation)
cat >token.json <<JSON
{
  "name": "First light #1",
  "description": "A sample token of the cartool project.",
  "image": "ipfs://$image/first%20light.svg",
  "animation_url": "ipfs://$animation/drift.svg",
  "attributes": [{ "trait_type": "circles", "value": 200 }]
}
JSON
metadata=$(add token.json)

ipfs dag export "$metadata" >"$out/token-metadata.car"
ipfs dag export "$image" >"$out/token-image.car"
ipfs dag export "$animation" >"$out/token-animation.car"
# The whole token is what one node that links to all three reaches; the node itself stays out.
all=$(ipfs dag put --input-codec=dag-json <<<"[{\"/\":\"$metadata\"},{\"/\":\"$image\"},{\"/\":\"$animation\"}]")
ipfs dag export "$all" >all.car
mapfile -t blocks < <(walk "$metadata" "$image" "$animation")
"$gocar" write all.car "$out/token.car" "$metadata,$image,$animation" "${blocks[@]}"
# The last block is a leaf of the animation.
"$gocar" write all.car "$out/broken/partial.car" "$metadata,$image,$animation" "${blocks[@]:0:${#blocks[@]}-1}"

# The picture's last byte, a line end, becomes another.
corrupt=$out/broken/corrupt.car
cp "$out/token-image.car" "$corrupt"
printf '\x0b' | dd of="$corrupt" bs=1 seek=$(($(stat -c %s "$corrupt") - 1)) conv=notrunc status=none

# A token as NFT.Storage's client stored it: one dag-cbor root that links to everything, blocks by CID, the root last.
cat >metadata.json <<JSON
{"name":"First light","description":"A sample token.","properties":{"videoClip":"ipfs://$animation/drift.svg"},"image":"ipfs://$image/first%20light.svg"}
JSON
nft_metadata=$(add metadata.json)
cat >root.json <<JSON
{"name":"First light","type":"nft","description":"A sample token.","image":{"/":"$image"},"properties":{"videoClip":{"/":"$animation"}},"metadata.json":{"/":"$nft_metadata"}}
JSON
nft=$(ipfs dag put --input-codec dag-json --store-codec dag-cbor root.json)
mapfile -t blocks < <({ echo "$nft_metadata"; walk "$image" "$animation"; } | LC_ALL=C sort)
ipfs dag export "$nft" >nft.car
"$gocar" write nft.car "$out/nftstorage-like.car" "$nft" "${blocks[@]}" "$nft"

# A folder with what folders hold.
mkdir -p 'folder/sub folder/deep/deeper' 'folder/empty folder'
echo 'Hello, archive.' >folder/hello.txt
: >folder/empty.txt
echo 'Grüße an alle 👋' >'folder/sub folder/ünï-cødé 名前.txt'
svg 'Deep down' 20 '' >'folder/sub folder/deep/deeper/picture.svg'
ln -s ../hello.txt 'folder/sub folder/link to hello'
folder=$(add folder)
ipfs dag export "$folder" >"$out/folder.car"
"$gocar" index "$out/folder.car" "$out/folder.v2.car"

# A directory in HAMT shards: two levels of them for three hundred names.
mkdir hamt
for ((i = 0; i < 300; i++)); do echo "$i" >"hamt/$i.txt"; done
ipfs dag export "$(add --max-directory-links=32 hamt)" >"$out/hamt.car"

# The folder once more, as ipfs-car packs it: no links and no empty folders there.
rm -r 'folder/sub folder/link to hello' 'folder/empty folder'
"$ipfs_car" pack folder --output "$out/ipfs-car.car" >/dev/null

cd "$out"
sha256sum -- *.car broken/*.car
