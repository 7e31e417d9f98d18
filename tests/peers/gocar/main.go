// Command gocar puts the calls of the go-car library that the peer tests need on a command line.
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/ipfs/go-cid"
	gocar "github.com/ipld/go-car/v2"
	"github.com/ipld/go-car/v2/blockstore"
	"github.com/ipld/go-car/v2/index"
	"github.com/ipld/go-car/v2/storage"
	"github.com/multiformats/go-multicodec"
	"github.com/multiformats/go-multihash"
)

const usage = `usage: gocar index V1 V2               wrap a CARv1 as an indexed CARv2
       gocar generate CODEC ALL FROM  the index of an archive, of codec 0x0400 or 0x0401, with identity CIDs or without
       gocar list FILE                the entries of an index
       gocar get FILE CID             a block, by the archive's own index
       gocar inspect FILE             read all of it, hash every block, say what it holds
       gocar write FROM TO ROOTS CID  a CARv1 of one or more blocks of another archive, in the order named`

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 3 && args[0] == "index":
		return gocar.WrapV1File(args[1], args[2])
	case len(args) == 4 && args[0] == "generate":
		return generate(args[1], args[2] == "true", args[3])
	case len(args) == 2 && args[0] == "list":
		return list(args[1])
	case len(args) == 3 && args[0] == "get":
		return get(args[1], args[2])
	case len(args) == 2 && args[0] == "inspect":
		return inspect(args[1])
	case len(args) > 3 && args[0] == "write":
		return write(args[1], args[2], strings.Split(args[3], ","), args[4:])
	}
	return fmt.Errorf("unknown command\n%s", usage)
}

func generate(codec string, all bool, from string) error {
	number, err := strconv.ParseUint(codec, 0, 64)
	if err != nil {
		return err
	}
	generated, err := gocar.GenerateIndexFromFile(from, gocar.UseIndexCodec(multicodec.Code(number)), gocar.StoreIdentityCIDs(all))
	if err != nil {
		return err
	}
	_, err = index.WriteTo(generated, os.Stdout)
	return err
}

func list(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	read, err := index.ReadFrom(file)
	if err != nil {
		return err
	}
	entries, ok := read.(index.IterableIndex)
	if !ok {
		return fmt.Errorf("an index of codec %v gives no list", read.Codec())
	}
	return entries.ForEach(func(hash multihash.Multihash, offset uint64) error {
		_, err := fmt.Printf("%s %d\n", hash, offset)
		return err
	})
}

func get(path, word string) error {
	key, err := cid.Decode(word)
	if err != nil {
		return err
	}
	store, err := blockstore.OpenReadOnly(path)
	if err != nil {
		return err
	}
	defer store.Close()
	block, err := store.Get(context.Background(), key)
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(block.RawData())
	return err
}

func inspect(path string) error {
	reader, err := gocar.OpenReader(path)
	if err != nil {
		return err
	}
	defer reader.Close()
	stats, err := reader.Inspect(true)
	if err != nil {
		return err
	}
	fmt.Printf("version %d, %d roots, roots present %t, %d blocks, index %s\n",
		stats.Version, len(stats.Roots), stats.RootsPresent, stats.BlockCount, stats.IndexCodec)
	return nil
}

func write(from, to string, rootWords, blockWords []string) error {
	roots, err := parseCids(rootWords)
	if err != nil {
		return err
	}
	blocks, err := parseCids(blockWords)
	if err != nil {
		return err
	}
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	store, err := storage.OpenReadable(source)
	if err != nil {
		return err
	}
	target, err := os.Create(to)
	if err != nil {
		return err
	}
	defer target.Close()
	archive, err := storage.NewWritable(target, roots, gocar.WriteAsCarV1(true))
	if err != nil {
		return err
	}
	for _, block := range blocks {
		key := block.KeyString()
		data, err := store.Get(context.Background(), key)
		if err != nil {
			return fmt.Errorf("%s: %w", block, err)
		}
		if err := archive.Put(context.Background(), key, data); err != nil {
			return err
		}
	}
	return archive.Finalize()
}

func parseCids(words []string) ([]cid.Cid, error) {
	var cids []cid.Cid
	for _, word := range words {
		c, err := cid.Decode(word)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", word, err)
		}
		cids = append(cids, c)
	}
	return cids, nil
}
