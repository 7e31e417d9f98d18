// Command boxo answers the part of the `ipfs` command line that cartool's peer tests use, over boxo and
// go-car: the libraries that Kubo itself is made of. It works offline on a repository of its own in
// IPFS_PATH. The tests drive it and a real `ipfs` by the same words.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/ipfs/boxo/blockservice"
	"github.com/ipfs/boxo/blockstore"
	"github.com/ipfs/boxo/exchange/offline"
	"github.com/ipfs/boxo/ipld/merkledag"
	"github.com/ipfs/go-cid"
	ipld "github.com/ipfs/go-ipld-format"
)

const usage = `usage: boxo init
       boxo add -r -Q [--cid-version=1] [--raw-leaves] [--trickle] [--chunker=size-N]
                [--max-directory-links=N] [--preserve-mode] [--preserve-mtime] PATH
       boxo get -o DIR CID
       boxo refs -r -u CID
       boxo block get|rm CID
       boxo dag put --input-codec dag-json --store-codec dag-cbor FILE
       boxo dag export CID | boxo dag import FILE…
       boxo car index V1 V2 | boxo car inspect FILE | boxo car write -o FILE --roots CID,… CID…`

// repo is a store of blocks that no network stands behind: a block that is not here is missing.
type repo struct {
	ctx    context.Context
	blocks blockstore.Blockstore
	dag    ipld.DAGService
}

func openRepo() (*repo, error) {
	root := os.Getenv("IPFS_PATH")
	if root == "" {
		return nil, errors.New("IPFS_PATH is not set")
	}
	store := folder(filepath.Join(root, "blocks"))
	if err := os.MkdirAll(string(store), 0o755); err != nil {
		return nil, err
	}
	blocks := blockstore.NewIdStore(store)
	service := blockservice.New(blocks, offline.Exchange(blocks))
	return &repo{context.Background(), blocks, merkledag.NewDAGService(service)}, nil
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 || args[0] == "--help" {
		fmt.Println(usage)
		return nil
	}
	verb, rest := args[0], args[1:]
	if verb == "dag" || verb == "block" || verb == "car" {
		if len(rest) == 0 {
			return errors.New(usage)
		}
		verb, rest = verb+" "+rest[0], rest[1:]
	}
	switch verb {
	case "car index":
		return carIndex(rest)
	case "car inspect":
		return carInspect(rest)
	}
	r, err := openRepo()
	if err != nil {
		return err
	}
	switch verb {
	case "init":
		return nil
	case "add":
		return r.add(rest)
	case "get":
		return r.get(rest)
	case "refs":
		return r.refs(rest)
	case "block get":
		return r.blockGet(rest)
	case "block rm":
		return r.blockRemove(rest)
	case "dag put":
		return r.dagPut(rest)
	case "dag export":
		return r.dagExport(rest)
	case "dag import":
		return r.dagImport(rest)
	case "car write":
		return r.carWrite(rest)
	}
	return fmt.Errorf("unknown command %q\n%s", verb, usage)
}

// parse reads flags and demands exactly `count` words after them.
func parse(flags *flag.FlagSet, args []string, count int) ([]string, error) {
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() != count {
		return nil, fmt.Errorf("%s: expected %d arguments, found %d", flags.Name(), count, flags.NArg())
	}
	return flags.Args(), nil
}

func parseCid(name string, args []string) (cid.Cid, error) {
	words, err := parse(flag.NewFlagSet(name, flag.ContinueOnError), args, 1)
	if err != nil {
		return cid.Undef, err
	}
	return cid.Decode(words[0])
}

func (r *repo) blockGet(args []string) error {
	c, err := parseCid("block get", args)
	if err != nil {
		return err
	}
	block, err := r.blocks.Get(r.ctx, c)
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(block.RawData())
	return err
}

func (r *repo) blockRemove(args []string) error {
	c, err := parseCid("block rm", args)
	if err != nil {
		return err
	}
	return r.blocks.DeleteBlock(r.ctx, c)
}
