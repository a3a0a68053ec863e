package servers

import (
	"context"
	"testing"
)

func TestPostgresStartsAndEnds(t *testing.T) {
	ctx := context.Background()
	p, err := StartPostgres(ctx, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	}()
	if err := p.Prepare(ctx, "shop"); err != nil {
		t.Fatal(err)
	}
	if got, err := p.One(ctx, "shop", "SELECT current_database()::text"); err != nil || got != "shop" {
		t.Fatal(got, err)
	}
}
