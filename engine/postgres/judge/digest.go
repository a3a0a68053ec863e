package judge

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"hash"
	"io"
	"maps"
	"slices"
)

// digest names a statement without its constants: two that differ only in values,
// blanks, comments or the length of a list of values have the same one. A parameter is
// no constant.
func digest(v any) string {
	h := sha256.New()
	shape(h, v)
	return hex.EncodeToString(h.Sum(nil))
}

func shape(h hash.Hash, v any) {
	switch x := v.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(x)) {
			if position(key) || key == "howMany" {
				continue
			}
			_, _ = io.WriteString(h, key+"{")
			if key != "A_Const" && key != "ParamRef" {
				shape(h, x[key])
			}
			_, _ = io.WriteString(h, "}")
		}
	case []any:
		_, _ = io.WriteString(h, "[")
		for i, e := range x {
			if i > 0 && onlyValues(e) && onlyValues(x[i-1]) {
				continue
			}
			shape(h, e)
		}
		_, _ = io.WriteString(h, "]")
	case string:
		_, _ = io.WriteString(h, x)
		_, _ = h.Write([]byte{0})
	case bool:
		_, _ = io.WriteString(h, "t")
	case json.Number: // frames of windows, options of cursors
		_, _ = io.WriteString(h, x.String()+"#")
	}
}

func onlyValues(v any) bool {
	m, ok := v.(map[string]any)
	if !ok || len(m) != 1 {
		return false
	}
	if l, ok := m["List"].(map[string]any); ok {
		items, _ := l["items"].([]any)
		return len(items) > 0 && !slices.ContainsFunc(items, func(e any) bool { return !onlyValues(e) })
	}
	_, isConst := m["A_Const"]
	_, isParam := m["ParamRef"]
	return isConst || isParam
}
