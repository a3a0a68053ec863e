package say

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Clean makes a stranger's text safe to show in a terminal, a notice or a
// message: what would act or hide is shown as an escape (\e, \n, \u202e, \xff),
// so that nothing is lost, and the whole is at most most bytes long, cut at a
// character and then ending in "…".
func Clean(s string, most int) string {
	const ellipsis = "…"
	var b strings.Builder
	fits := 0 // how much stays if it has to be cut
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		piece := s[i : i+size]
		switch {
		case r == utf8.RuneError && size == 1:
			piece = fmt.Sprintf(`\x%02x`, s[i])
		case acts(r):
			piece = escape(r)
		}
		if b.Len()+len(piece) > most {
			if most < len(ellipsis) {
				return ""
			}
			return b.String()[:fits] + ellipsis
		}
		b.WriteString(piece)
		if b.Len()+len(ellipsis) <= most {
			fits = b.Len()
		}
		i += size
	}
	return b.String()
}

// acts reports whether a character does something other than being seen:
// controls, direction, joiners and other formats, variation selectors, tags,
// separators, private use, and spaces that are none.
func acts(r rune) bool {
	switch {
	case r == ' ':
		return false
	case r >= 0xfe00 && r <= 0xfe0f, r >= 0xe0100 && r <= 0xe01ef: // variation selectors
		return true
	case r == 0x034f, r == 0x115f, r == 0x1160, r == 0x17b4, r == 0x17b5, r == 0x3164, r == 0xffa0, r == 0x2800: // letters that are blank
		return true
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Zs, unicode.Co, unicode.Cs) || !unicode.IsGraphic(r)
}

func escape(r rune) string {
	switch r {
	case '\n':
		return `\n`
	case '\r':
		return `\r`
	case '\t':
		return `\t`
	case 0x1b:
		return `\e`
	}
	if r <= 0xff {
		return fmt.Sprintf(`\x%02x`, r)
	}
	if r <= 0xffff {
		return fmt.Sprintf(`\u%04x`, r)
	}
	return fmt.Sprintf(`\U%08x`, r)
}

// CSV makes a stranger's text safe as one field of a CSV file: cleaned, quoted,
// and behind an apostrophe where a spreadsheet would read a formula. Full-width
// signs are formulas to some.
func CSV(s string, most int) string {
	s = Clean(s, most)
	if first := strings.TrimLeft(s, ` "'`); first != "" {
		if strings.ContainsRune("=+-@|%＝＋－＠", []rune(first)[0]) || strings.HasPrefix(first, `\t`) || strings.HasPrefix(first, `\r`) || strings.HasPrefix(first, `\n`) {
			s = "'" + s
		}
	}
	return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
}
