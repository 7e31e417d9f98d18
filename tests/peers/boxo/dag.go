package main

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/ipfs/boxo/ipld/merkledag"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	gocar "github.com/ipld/go-car/v2"
	dagpb "github.com/ipld/go-codec-dagpb"
	"github.com/ipld/go-ipld-prime"
	"github.com/ipld/go-ipld-prime/codec/dagcbor"
	"github.com/ipld/go-ipld-prime/codec/dagjson"
	"github.com/ipld/go-ipld-prime/datamodel"
	"github.com/ipld/go-ipld-prime/linking"
	cidlink "github.com/ipld/go-ipld-prime/linking/cid"
	"github.com/ipld/go-ipld-prime/node/basicnode"
	selector "github.com/ipld/go-ipld-prime/traversal/selector/parse"

	_ "github.com/ipld/go-ipld-prime/codec/raw"
)

// links reads and writes nodes of every codec through the repository.
func (r *repo) links() ipld.LinkSystem {
	system := cidlink.DefaultLinkSystem()
	system.StorageReadOpener = func(_ linking.LinkContext, link datamodel.Link) (io.Reader, error) {
		block, err := r.blocks.Get(r.ctx, link.(cidlink.Link).Cid)
		if err != nil {
			return nil, err
		}
		return bytes.NewReader(block.RawData()), nil
	}
	system.StorageWriteOpener = func(linking.LinkContext) (io.Writer, linking.BlockWriteCommitter, error) {
		data := new(bytes.Buffer)
		return data, func(link datamodel.Link) error {
			block, err := blocks.NewBlockWithCid(data.Bytes(), link.(cidlink.Link).Cid)
			if err != nil {
				return err
			}
			return r.blocks.Put(r.ctx, block)
		}, nil
	}
	return system
}

func (r *repo) dagPut(args []string) error {
	flags := flag.NewFlagSet("dag put", flag.ContinueOnError)
	in := flags.String("input-codec", "dag-json", "codec of FILE")
	out := flags.String("store-codec", "dag-cbor", "codec of the block")
	words, err := parse(flags, args, 1)
	if err != nil {
		return err
	}
	if *in != "dag-json" || *out != "dag-cbor" {
		return errors.New("dag put: only dag-json to dag-cbor")
	}
	file, err := os.Open(words[0])
	if err != nil {
		return err
	}
	defer file.Close()
	builder := basicnode.Prototype.Any.NewBuilder()
	if err := dagjson.Decode(builder, file); err != nil {
		return err
	}
	prefix := merkledag.V1CidPrefix()
	prefix.Codec = cid.DagCBOR
	system := r.links()
	system.EncoderChooser = func(datamodel.LinkPrototype) (ipld.Encoder, error) { return dagcbor.Encode, nil }
	link, err := system.Store(linking.LinkContext{Ctx: r.ctx}, cidlink.LinkPrototype{Prefix: prefix}, builder.Build())
	if err != nil {
		return err
	}
	fmt.Println(link.(cidlink.Link).Cid)
	return nil
}

// export walks the whole DAG under the root, each block once, and writes it as CARv1.
func (r *repo) export(root cid.Cid, w io.Writer) error {
	system := r.links()
	_, err := gocar.TraverseV1(r.ctx, &system, root, selector.CommonSelector_ExploreAllRecursively, w,
		gocar.WithTraversalPrototypeChooser(dagpb.AddSupportToChooser(
			func(datamodel.Link, linking.LinkContext) (datamodel.NodePrototype, error) {
				return basicnode.Prototype.Any, nil
			})))
	return err
}

func (r *repo) dagExport(args []string) error {
	c, err := parseCid("dag export", args)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(os.Stdout)
	return errors.Join(r.export(c, out), out.Flush())
}

// dagImport takes every block of the archives, hashed, and then demands that the DAG under each root is whole.
func (r *repo) dagImport(args []string) error {
	var roots []cid.Cid
	for _, name := range args {
		found, err := r.importFile(name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		roots = append(roots, found...)
	}
	for _, root := range roots {
		if err := r.export(root, io.Discard); err != nil {
			return fmt.Errorf("root %s: %w", root, err)
		}
		fmt.Printf("Pinned root\t%s\tsuccess\n", root)
	}
	return nil
}

func (r *repo) importFile(name string) ([]cid.Cid, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	reader, err := gocar.NewBlockReader(bufio.NewReader(file))
	if err != nil {
		return nil, err
	}
	for {
		block, err := reader.Next()
		if err == io.EOF {
			return reader.Roots, nil
		}
		if err != nil {
			return nil, err
		}
		if err := r.blocks.Put(r.ctx, block); err != nil {
			return nil, err
		}
	}
}

// refs prints the CID of every block that the root links to, or of every block below it, each once.
func (r *repo) refs(args []string) error {
	flags := flag.NewFlagSet("refs", flag.ContinueOnError)
	recursive := flags.Bool("r", false, "every block below")
	flags.Bool("u", true, "always so")
	words, err := parse(flags, args, 1)
	if err != nil {
		return err
	}
	root, err := cid.Decode(words[0])
	if err != nil {
		return err
	}
	seen := cid.NewSet()
	return merkledag.WalkDepth(r.ctx, merkledag.GetLinksDirect(r.dag), root, func(c cid.Cid, depth int) bool {
		if !seen.Visit(c) {
			return false
		}
		if depth > 0 {
			fmt.Println(c)
		}
		return depth == 0 || *recursive
	})
}
