package api

import (
	"context"
	"strconv"

	"github.com/curfewhq/curfew/history"
)

// Bounds of reading a list of which its reader may not see all.
const (
	siftStep   = 100  // how many are read at once at least, when the first were not enough
	mostSifted = 5000 // how many are looked at for one page
)

// next is what the page after this one is asked for with; "" where this is the last one.
func next[T any](found []T, f history.Filter, place func(T) uint64) string {
	if len(found) == 0 || len(found) < f.Most() {
		return ""
	}
	return strconv.FormatUint(place(found[len(found)-1]), 10)
}

// sift reads a page of what may be seen of a list. Where some of it may not, it reads on until the
// page is full or the list ends. Whoever may see few of very many gets less than a page, and goes
// on after what was looked at.
func sift[T any](ctx context.Context, f history.Filter, read func(context.Context, history.Filter) ([]T, error), may func(T) bool, place func(T) uint64) (page []T, more string, err error) {
	most := f.Most()
	for looked := 0; ; {
		found, err := read(ctx, f)
		if err != nil {
			return nil, "", err
		}
		more = next(found, f, place)
		for i, x := range found {
			if !may(x) {
				continue
			}
			if page = append(page, x); len(page) == most {
				if i < len(found)-1 {
					more = strconv.FormatUint(place(x), 10)
				}
				return page, more, nil
			}
		}
		if looked += len(found); more == "" || looked >= mostSifted {
			return page, more, nil
		}
		f.Before, f.Limit = place(found[len(found)-1]), max(most, siftStep)
	}
}
