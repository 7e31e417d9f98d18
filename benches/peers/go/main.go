// Command gocar puts the calls of the go-car library that benches/compare.sh measures on a command line: what the commands
// verify, extract, index and concat of that project do, whose own module needs an older library than this one.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-unixfsnode"
	"github.com/ipfs/go-unixfsnode/file"
	gocar "github.com/ipld/go-car/v2"
	"github.com/ipld/go-car/v2/storage"
	dagpb "github.com/ipld/go-codec-dagpb"
	_ "github.com/ipld/go-ipld-prime/codec/raw" // Leaves of files.
	"github.com/ipld/go-ipld-prime/datamodel"
	"github.com/ipld/go-ipld-prime/linking"
	cidlink "github.com/ipld/go-ipld-prime/linking/cid"
	"github.com/ipld/go-ipld-prime/node/basicnode"
)

const usage = `usage: gocar verify FILE           hash every block, find the roots
       gocar extract FILE DIR      the files below the roots, written to a directory
       gocar index V1 V2           wrap a CARv1 as an indexed CARv2
       gocar concat OUT FILE...    one archive of all blocks, hashed, each once`

const bufferLen = 1 << 20

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 2 && args[0] == "verify":
		return verify(args[1])
	case len(args) == 3 && args[0] == "extract":
		return extract(args[1], args[2])
	case len(args) == 3 && args[0] == "index":
		return gocar.WrapV1File(args[1], args[2])
	case len(args) > 2 && args[0] == "concat":
		return concat(args[1], args[2:])
	}
	return errors.New(usage)
}

// openBlocks opens an archive whose blocks are hashed as they are read.
func openBlocks(path string) (*os.File, *gocar.BlockReader, error) {
	source, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	reader, err := gocar.NewBlockReader(bufio.NewReaderSize(source, bufferLen))
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("%s: %w", path, err), source.Close())
	}
	return source, reader, nil
}

func verify(path string) error {
	source, reader, err := openBlocks(path)
	if err != nil {
		return err
	}
	defer source.Close()
	absent := make(map[cid.Cid]struct{})
	for _, root := range reader.Roots {
		absent[root] = struct{}{}
	}
	count := 0
	for {
		block, err := reader.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		delete(absent, block.Cid())
		count++
	}
	if len(absent) > 0 {
		return fmt.Errorf("%d roots are not there", len(absent))
	}
	fmt.Println(count, "blocks")
	return nil
}

// extract believes the blocks, as that project's command does.
func extract(path, folder string) error {
	source, err := os.Open(path)
	if err != nil {
		return err
	}
	defer source.Close()
	store, err := storage.OpenReadable(source)
	if err != nil {
		return err
	}
	links := cidlink.DefaultLinkSystem()
	links.TrustedStorage = true
	links.SetReadStorage(store)
	for _, root := range store.Roots() {
		if err := extractNode(&links, cidlink.Link{Cid: root}, filepath.Join(folder, root.String())); err != nil {
			return err
		}
	}
	return nil
}

// extractNode writes a file, or a directory with everything in it. The archives are the benchmark's own, so names are as they are.
func extractNode(links *linking.LinkSystem, link datamodel.Link, target string) error {
	node, err := links.Load(linking.LinkContext{}, link, prototype(link))
	if err != nil {
		return err
	}
	if node.Kind() == datamodel.Kind_Bytes {
		return extractFile(links, node, target)
	}
	unixfs, err := unixfsnode.Reify(linking.LinkContext{}, node, links)
	if err != nil {
		return err
	}
	if unixfs.Kind() != datamodel.Kind_Map {
		return extractFile(links, node, target)
	}
	if err := os.Mkdir(target, 0o755); err != nil {
		return err
	}
	for entries := unixfs.MapIterator(); !entries.Done(); {
		key, value, err := entries.Next()
		if err != nil {
			return err
		}
		name, err := key.AsString()
		if err != nil {
			return err
		}
		child, err := value.AsLink()
		if err != nil {
			return err
		}
		if err := extractNode(links, child, filepath.Join(target, name)); err != nil {
			return err
		}
	}
	return nil
}

func prototype(link datamodel.Link) datamodel.NodePrototype {
	if known, ok := link.(cidlink.Link); ok && known.Cid.Prefix().Codec == cid.DagProtobuf {
		return dagpb.Type.PBNode
	}
	return basicnode.Prototype.Any
}

func extractFile(links *linking.LinkSystem, node datamodel.Node, target string) error {
	content, err := file.NewUnixFSFile(context.Background(), node, links)
	if err != nil {
		return err
	}
	reader, err := content.AsLargeBytes()
	if err != nil {
		return err
	}
	out, err := os.Create(target)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, reader)
	return errors.Join(err, out.Close())
}

func concat(target string, paths []string) error {
	roots, err := rootsOf(paths)
	if err != nil {
		return err
	}
	out, err := os.Create(target)
	if err != nil {
		return err
	}
	defer out.Close()
	archive, err := storage.NewWritable(out, roots, gocar.WriteAsCarV1(true))
	if err != nil {
		return err
	}
	for _, path := range paths {
		if err := copyBlocks(archive, path); err != nil {
			return err
		}
	}
	return archive.Finalize()
}

func rootsOf(paths []string) ([]cid.Cid, error) {
	var roots []cid.Cid
	for _, path := range paths {
		source, reader, err := openBlocks(path)
		if err != nil {
			return nil, err
		}
		roots = append(roots, reader.Roots...)
		if err := source.Close(); err != nil {
			return nil, err
		}
	}
	return roots, nil
}

func copyBlocks(archive storage.WritableCar, path string) error {
	source, reader, err := openBlocks(path)
	if err != nil {
		return err
	}
	defer source.Close()
	for {
		block, err := reader.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := archive.Put(context.Background(), block.Cid().KeyString(), block.RawData()); err != nil {
			return err
		}
	}
}
