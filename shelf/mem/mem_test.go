package mem_test

import (
	"testing"

	"github.com/curfewhq/curfew/shelf"
	"github.com/curfewhq/curfew/shelf/mem"
	"github.com/curfewhq/curfew/shelf/shelftest"
)

func TestShelf(t *testing.T) {
	shelftest.Run(t, shelftest.Maker{Open: func(string) (shelf.Rows, error) { return new(mem.Rows), nil }, Forgets: true})
}
