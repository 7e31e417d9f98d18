package main

import (
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/ipfs/go-cid"
	gocar "github.com/ipld/go-car/v2"
	"github.com/ipld/go-car/v2/storage"
)

// carIndex wraps a CARv1 as an indexed CARv2.
func carIndex(args []string) error {
	words, err := parse(flag.NewFlagSet("car index", flag.ContinueOnError), args, 2)
	if err != nil {
		return err
	}
	return gocar.WrapV1File(words[0], words[1])
}

// carInspect reads an archive whole, hashes every block, and says what it holds.
func carInspect(args []string) error {
	words, err := parse(flag.NewFlagSet("car inspect", flag.ContinueOnError), args, 1)
	if err != nil {
		return err
	}
	reader, err := gocar.OpenReader(words[0])
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

// carWrite makes a CARv1 of the blocks named, in that order: any roots, any blocks left out.
func (r *repo) carWrite(args []string) error {
	flags := flag.NewFlagSet("car write", flag.ContinueOnError)
	output := flags.String("o", "", "where to write")
	rootWords := flags.String("roots", "", "root CIDs, with commas between")
	if err := flags.Parse(args); err != nil {
		return err
	}
	roots, err := parseCids(strings.Split(*rootWords, ","))
	if err != nil {
		return err
	}
	cids, err := parseCids(flags.Args())
	if err != nil {
		return err
	}
	file, err := os.Create(*output)
	if err != nil {
		return err
	}
	defer file.Close()
	archive, err := storage.NewWritable(file, roots, gocar.WriteAsCarV1(true))
	if err != nil {
		return err
	}
	for _, c := range cids {
		block, err := r.blocks.Get(r.ctx, c)
		if err != nil {
			return err
		}
		if err := archive.Put(r.ctx, c.KeyString(), block.RawData()); err != nil {
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
