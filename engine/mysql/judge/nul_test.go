package judge

import "testing"

// A server ends a comment at a NUL (sql_lex.cc, MY_LEX_COMMENT): what stands behind it in the same
// line is no comment to it. So no text has one anywhere.
func TestNoCommentHidesANUL(t *testing.T) {
	s := restricted(t)
	for _, text := range []string{"SELECT 1 # \x00\n, 2", "SELECT 1 -- \x00\n, 2", "SELECT 1 /* \x00 */, 2", "SELECT 1 # \x00, 2", "DELETE FROM t # \x00\n WHERE a = 1"} {
		if _, err := parse(text); err == nil {
			theirs, ok := s.values(t, text)
			t.Errorf("%q is read; the server runs it: %v %q", text, ok, theirs)
		}
	}
}
