package api

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files")

// The description of the API is kept, so that a change of it is seen when it is made;
// the console's types are made from it. After a wanted change: go test ./api -args -update.
func TestTheDescriptionIsKept(t *testing.T) {
	text, err := New(Parts{Version: "0"}).OpenAPI()
	must(t, err)
	var indented bytes.Buffer
	must(t, json.Indent(&indented, text, "", " "))
	indented.WriteByte('\n')
	const file = "testdata/openapi.json"
	if *update {
		must(t, os.WriteFile(file, indented.Bytes(), 0o644)) //nolint:gosec // it is public
	}
	kept, err := os.ReadFile(file)
	must(t, err)
	if !bytes.Equal(kept, indented.Bytes()) {
		t.Error("the API is described otherwise than it was; if that is meant: go test ./api -run Description -args -update, and make console")
	}
}
