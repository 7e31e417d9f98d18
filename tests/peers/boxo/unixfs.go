package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	chunk "github.com/ipfs/boxo/chunker"
	"github.com/ipfs/boxo/files"
	"github.com/ipfs/boxo/ipld/merkledag"
	"github.com/ipfs/boxo/ipld/unixfs"
	unixfile "github.com/ipfs/boxo/ipld/unixfs/file"
	"github.com/ipfs/boxo/ipld/unixfs/importer/balanced"
	"github.com/ipfs/boxo/ipld/unixfs/importer/helpers"
	"github.com/ipfs/boxo/ipld/unixfs/importer/trickle"
	uio "github.com/ipfs/boxo/ipld/unixfs/io"
	"github.com/ipfs/boxo/tar"
	"github.com/ipfs/go-cid"
	ipld "github.com/ipfs/go-ipld-format"
)

// adder turns files into blocks as `ipfs add` does: 256 KiB chunks, 174 links a node, HAMT shards for large directories.
type adder struct {
	*repo
	prefix                      cid.Prefix
	chunker                     string
	maxDirectoryLinks           int
	rawLeaves, trickle          bool
	preserveMode, preserveMtime bool
}

func (r *repo) add(args []string) error {
	options := flag.NewFlagSet("add", flag.ContinueOnError)
	for _, accepted := range []string{"r", "Q"} {
		options.Bool(accepted, true, "always so")
	}
	options.Bool("pin", false, "there are no pins")
	version := options.Int("cid-version", 0, "CID version")
	a := adder{repo: r}
	options.BoolVar(&a.rawLeaves, "raw-leaves", false, "leaves are raw blocks; the default of CID version 1")
	options.BoolVar(&a.trickle, "trickle", false, "trickle layout in place of balanced")
	options.StringVar(&a.chunker, "chunker", "", "how files are cut")
	options.IntVar(&a.maxDirectoryLinks, "max-directory-links", 0, "entries from which a directory is sharded, whatever its size")
	options.BoolVar(&a.preserveMode, "preserve-mode", false, "keep permissions")
	options.BoolVar(&a.preserveMtime, "preserve-mtime", false, "keep modification times")
	words, err := parse(options, args, 1)
	if err != nil {
		return err
	}
	if a.prefix, err = merkledag.PrefixForCidVersion(*version); err != nil {
		return err
	}
	explicit := false
	options.Visit(func(f *flag.Flag) { explicit = explicit || f.Name == "raw-leaves" })
	if !explicit {
		a.rawLeaves = *version == 1
	}
	// A raw block has no place for metadata.
	a.rawLeaves = a.rawLeaves && !a.preserveMode && !a.preserveMtime
	info, err := os.Lstat(words[0])
	if err != nil {
		return err
	}
	tree, err := files.NewSerialFile(words[0], true, info)
	if err != nil {
		return err
	}
	defer tree.Close()
	root, err := a.node(tree)
	if err != nil {
		return err
	}
	fmt.Println(root.Cid())
	return nil
}

// node adds one file, link or directory with all below it.
func (a *adder) node(entry files.Node) (node ipld.Node, err error) {
	switch entry := entry.(type) {
	case files.Directory:
		return a.directory(entry)
	case *files.Symlink:
		node, err = a.symlink(entry)
	case files.File:
		return a.file(entry)
	default:
		return nil, fmt.Errorf("neither a file, a link nor a directory: %T", entry)
	}
	if err != nil {
		return nil, err
	}
	return node, a.dag.Add(a.ctx, node)
}

func (a *adder) directory(entry files.Directory) (ipld.Node, error) {
	var kept helpers.DagBuilderParams
	a.stat(entry, &kept)
	directory, err := uio.NewDirectory(a.dag, uio.WithCidBuilder(a.prefix), uio.WithStat(kept.FileMode, kept.FileModTime),
		uio.WithMaxLinks(a.maxDirectoryLinks))
	if err != nil {
		return nil, err
	}
	entries := entry.Entries()
	for entries.Next() {
		child, err := a.node(entries.Node())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", entries.Name(), err)
		}
		entries.Node().Close()
		if err := directory.AddChild(a.ctx, entries.Name(), child); err != nil {
			return nil, fmt.Errorf("%s: %w", entries.Name(), err)
		}
	}
	if entries.Err() != nil {
		return nil, entries.Err()
	}
	node, err := directory.GetNode()
	if err != nil {
		return nil, err
	}
	return node, a.dag.Add(a.ctx, node)
}

func (a *adder) symlink(entry *files.Symlink) (ipld.Node, error) {
	data, err := unixfs.SymlinkData(entry.Target)
	if err != nil {
		return nil, err
	}
	node := merkledag.NodeWithData(data)
	return node, node.SetCidBuilder(a.prefix)
}

func (a *adder) file(entry files.File) (ipld.Node, error) {
	params := helpers.DagBuilderParams{
		Dagserv: a.dag, RawLeaves: a.rawLeaves, Maxlinks: helpers.DefaultLinksPerBlock, CidBuilder: a.prefix,
	}
	a.stat(entry, &params)
	splitter, err := chunk.FromString(entry, a.chunker)
	if err != nil {
		return nil, err
	}
	builder, err := params.New(splitter)
	if err != nil {
		return nil, err
	}
	if a.trickle {
		return trickle.Layout(builder)
	}
	return balanced.Layout(builder)
}

// stat takes over what of the entry's metadata is to be kept.
func (a *adder) stat(entry files.Node, params *helpers.DagBuilderParams) {
	if a.preserveMode {
		params.FileMode = entry.Mode()
	}
	if a.preserveMtime {
		params.FileModTime = entry.ModTime()
	}
}

// get writes a DAG to disk the way `ipfs get` does: as a tar stream into an extractor, which restores mode and mtime.
func (r *repo) get(args []string) error {
	flags := flag.NewFlagSet("get", flag.ContinueOnError)
	output := flags.String("o", "", "where to write")
	words, err := parse(flags, args, 1)
	if err != nil {
		return err
	}
	c, err := cid.Decode(words[0])
	if err != nil {
		return err
	}
	root, err := r.dag.Get(r.ctx, c)
	if err != nil {
		return err
	}
	tree, err := unixfile.NewUnixfsFile(r.ctx, r.dag, root)
	if err != nil {
		return err
	}
	defer tree.Close()
	stream, sink := io.Pipe()
	go func() {
		writer, err := files.NewTarWriter(sink)
		if err == nil {
			err = errors.Join(writer.WriteFile(tree, filepath.Base(*output)), writer.Close())
		}
		sink.CloseWithError(err)
	}()
	return (&tar.Extractor{Path: *output}).Extract(stream)
}
