package http

import (
	"net/url"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/curfewhq/curfew"
)

// canonical turns the path of a request, as it was sent, into the one path that is
// judged and sent on. What servers are known to read in more than one way (an
// encoded slash, a semicolon, a backslash, something encoded twice, a dot at the
// end) is refused rather than guessed at.
func canonical(sent string) (string, error) {
	if !strings.HasPrefix(sent, "/") {
		return "", badPath("does not begin with /")
	}
	decoded, err := unescape(sent)
	if err != nil {
		return "", err
	}
	if !utf8.ValidString(decoded) {
		return "", badPath("is not UTF-8")
	}
	if special(norm.NFKC.String(decoded)) != special(decoded) {
		return "", badPath("has characters that stand for / \\ . ; or %")
	}
	var out []string
	parts := strings.Split(decoded[1:], "/")
	for i, p := range parts {
		switch {
		case p == "" || p == ".":
			if i == len(parts)-1 && len(out) > 0 {
				out = append(out, "") // the slash at the end
			}
		case p == "..":
			if len(out) == 0 {
				return "", badPath("leads out of the application")
			}
			out = out[:len(out)-1]
			if i == len(parts)-1 && len(out) > 0 {
				out = append(out, "")
			}
		case strings.HasSuffix(p, ".") || strings.HasSuffix(p, " "):
			return "", badPath("has a part that ends in a dot or a space")
		default:
			out = append(out, p)
		}
	}
	if len(out) > 0 && strings.EqualFold(out[0], ".curfew") {
		return "", curfew.Errorf(curfew.Denied, "what begins with /.curfew is the gateway's own").WithRule("request.path")
	}
	return "/" + strings.Join(out, "/"), nil
}

// special counts the characters that a path is built from.
func special(s string) (n int) {
	for _, c := range s {
		if strings.ContainsRune(`/\.;%`, c) {
			n++
		}
	}
	return n
}

func badPath(what string) error {
	return curfew.Errorf(curfew.Invalid, "the path of this request %s", what).WithRule("request.path").WithFix("write the path plainly, without encoding what needs none")
}

// unescape decodes %XX once.
func unescape(s string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		encoded := c == '%'
		if encoded {
			if i+2 >= len(s) {
				return "", badPath("is not encoded as paths are")
			}
			hi, ok1 := unhex(s[i+1])
			lo, ok2 := unhex(s[i+2])
			if !ok1 || !ok2 {
				return "", badPath("is not encoded as paths are")
			}
			c = hi<<4 | lo
			i += 2
		}
		switch {
		case c < ' ' || c == 0x7f:
			return "", badPath("has control characters")
		case c == '\\' || c == ';' || encoded && (c == '/' || c == '%'):
			return "", badPath("has " + url.PathEscape(string(rune(c))) + ", which servers read in different ways")
		case !encoded && (c >= utf8.RuneSelf || strings.IndexByte(` "<>^{|}#?`+"`", c) >= 0):
			return "", badPath("has characters that must be encoded")
		}
		b.WriteByte(c)
	}
	return b.String(), nil
}

func unhex(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}
