// Command gocar puts the three calls of the go-car library that the peer tests need on a command line.
package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/ipfs/go-cid"
	gocar "github.com/ipld/go-car/v2"
	"github.com/ipld/go-car/v2/storage"
)

const usage = `usage: gocar index V1 V2               wrap a CARv1 as an indexed CARv2
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
	case len(args) == 2 && args[0] == "inspect":
		return inspect(args[1])
	case len(args) > 3 && args[0] == "write":
		return write(args[1], args[2], strings.Split(args[3], ","), args[4:])
	}
	return fmt.Errorf("unknown command\n%s", usage)
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
