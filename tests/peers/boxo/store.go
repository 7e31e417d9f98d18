package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	ipld "github.com/ipfs/go-ipld-format"
)

// folder keeps each block in a file named by its multihash, as a node does: one block, whatever its CID's version or codec.
type folder string

func (f folder) path(c cid.Cid) string {
	return filepath.Join(string(f), c.Hash().HexString())
}

// known tells a missing file in the words of the block layer.
func known(c cid.Cid, err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return ipld.ErrNotFound{Cid: c}
	}
	return err
}

func (f folder) DeleteBlock(_ context.Context, c cid.Cid) error {
	return known(c, os.Remove(f.path(c)))
}

func (f folder) Has(ctx context.Context, c cid.Cid) (bool, error) {
	_, err := f.GetSize(ctx, c)
	if ipld.IsNotFound(err) {
		return false, nil
	}
	return err == nil, err
}

func (f folder) Get(_ context.Context, c cid.Cid) (blocks.Block, error) {
	data, err := os.ReadFile(f.path(c))
	if err != nil {
		return nil, known(c, err)
	}
	return blocks.NewBlockWithCid(data, c)
}

func (f folder) GetSize(_ context.Context, c cid.Cid) (int, error) {
	info, err := os.Stat(f.path(c))
	if err != nil {
		return -1, known(c, err)
	}
	return int(info.Size()), nil
}

func (f folder) Put(_ context.Context, block blocks.Block) error {
	return os.WriteFile(f.path(block.Cid()), block.RawData(), 0o644)
}

func (f folder) PutMany(ctx context.Context, all []blocks.Block) error {
	for _, block := range all {
		if err := f.Put(ctx, block); err != nil {
			return err
		}
	}
	return nil
}

func (f folder) AllKeysChan(context.Context) (<-chan cid.Cid, error) {
	return nil, errors.ErrUnsupported
}
