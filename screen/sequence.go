package screen

import "strings"

// sequence does what an escape sequence says (ECMA-48, and what xterm adds), as far as
// it moves, erases or colours; all others are passed over. It returns how long it is, and
// whether it is whole.
func (s *Screen) sequence(text string) (n int, whole bool) {
	if len(text) < 2 {
		return 0, false
	}
	switch text[1] {
	case '[':
		for i := 2; i < len(text); i++ {
			if c := text[i]; c >= 0x40 && c <= 0x7e {
				s.control(text[2:i], c)
				return i + 1, true
			} else if c < 0x20 || c > 0x7e { // it is broken off
				return i, true
			}
		}
		return 2, false
	case ']', 'P', 'X', '^', '_': // strings, up to BEL or ST
		for i := 2; i < len(text); i++ {
			if text[i] == 0x07 {
				return i + 1, true
			}
			if text[i] == 0x1b {
				if i+1 == len(text) {
					return i, false
				}
				if text[i+1] == '\\' {
					return i + 2, true
				}
				return i, true
			}
		}
		return 2, false
	case '(', ')', '*', '+', '#', '%', ' ':
		return min(3, len(text)), len(text) > 2
	}
	s.escape(text[1])
	return 2, true
}

func (s *Screen) escape(c byte) {
	p := s.page()
	switch c {
	case '7':
		p.savedX, p.savedY = p.x, p.y
	case '8':
		p.move(s, p.savedX, p.savedY)
	case 'D':
		s.feed()
	case 'E':
		s.feed()
		p.x = 0
	case 'M':
		if p.y == p.top {
			p.scroll(p.top, p.bottom, -1, s.pen)
		} else {
			p.y = max(0, p.y-1)
		}
	case 'c':
		p.reset()
		s.pen = 0
	}
}

// reset makes a page blank, in the memory that it has.
func (p *page) reset() {
	for i, row := range p.cells {
		p.clear(i, 0, len(row), 0)
	}
	*p = page{cells: p.cells, pens: p.pens, bottom: len(p.cells) - 1}
}

func (p *page) move(s *Screen, x, y int) {
	p.x, p.y, p.wrap = min(max(x, 0), s.columns-1), min(max(y, 0), s.rows-1), false
}

// maxParameter bounds a number in a sequence.
const maxParameter = 9999

func numbers(text string) (out []int) {
	for part := range strings.SplitSeq(text, ";") {
		n := 0
		for _, c := range []byte(part) {
			if c < '0' || c > '9' {
				break
			}
			n = min(n*10+int(c-'0'), maxParameter)
		}
		if out = append(out, n); len(out) == 16 {
			break
		}
	}
	return out
}

// control does what a control sequence says.
func (s *Screen) control(text string, final byte) {
	if strings.HasPrefix(text, "?") {
		s.mode(numbers(text[1:]), final)
		return
	}
	if strings.ContainsAny(text, "<=> !\"$'*") {
		return
	}
	if final == 'm' {
		s.pen = s.pen.graphics(text)
		return
	}
	args := numbers(text)
	p := s.page()
	first := max(args[0], 1)
	second := 1
	if len(args) > 1 {
		second = max(args[1], 1)
	}
	switch final {
	case 'A':
		p.move(s, p.x, p.y-first)
	case 'B', 'e':
		p.move(s, p.x, p.y+first)
	case 'C', 'a':
		p.move(s, p.x+first, p.y)
	case 'D':
		p.move(s, p.x-first, p.y)
	case 'E':
		p.move(s, 0, p.y+first)
	case 'F':
		p.move(s, 0, p.y-first)
	case 'G', '`':
		p.move(s, first-1, p.y)
	case 'd':
		p.move(s, p.x, first-1)
	case 'H', 'f':
		p.move(s, second-1, first-1)
	case 's':
		p.savedX, p.savedY = p.x, p.y
	case 'u':
		p.move(s, p.savedX, p.savedY)
	case 'r':
		p.top, p.bottom = first-1, s.rows-1
		if len(args) > 1 && args[1] > 0 {
			p.bottom = min(args[1], s.rows) - 1
		}
		if p.top >= p.bottom {
			p.top, p.bottom = 0, s.rows-1
		}
		p.move(s, 0, 0)
	default:
		p.change(s, final, args[0], first)
	}
}

// change erases, inserts and deletes.
func (p *page) change(s *Screen, final byte, arg, n int) {
	switch final {
	case 'J':
		p.erase(s, arg)
	case 'K':
		switch arg {
		case 0:
			p.clear(p.y, p.x, s.columns, s.pen)
		case 1:
			p.clear(p.y, 0, p.x+1, s.pen)
		case 2:
			p.clear(p.y, 0, s.columns, s.pen)
		}
	case 'X':
		p.clear(p.y, p.x, min(p.x+n, s.columns), s.pen)
	case 'P':
		n = min(n, s.columns-p.x)
		p.shift(p.x, p.x+n, s.columns-p.x-n)
		p.clear(p.y, s.columns-n, s.columns, s.pen)
	case '@':
		n = min(n, s.columns-p.x)
		p.shift(p.x+n, p.x, s.columns-p.x-n)
		p.clear(p.y, p.x, p.x+n, s.pen)
	case 'L':
		if p.y >= p.top && p.y <= p.bottom {
			p.scroll(p.y, p.bottom, -n, s.pen)
		}
	case 'M':
		if p.y >= p.top && p.y <= p.bottom {
			p.scroll(p.y, p.bottom, n, s.pen)
		}
	case 'S':
		p.scroll(p.top, p.bottom, n, s.pen)
	case 'T':
		p.scroll(p.top, p.bottom, -n, s.pen)
	}
}

func (p *page) erase(s *Screen, arg int) {
	from, to := 0, s.rows
	switch arg {
	case 0:
		p.clear(p.y, p.x, s.columns, s.pen)
		from = p.y + 1
	case 1:
		p.clear(p.y, 0, p.x+1, s.pen)
		to = p.y
	}
	for i := from; i < to; i++ {
		p.clear(i, 0, s.columns, s.pen)
	}
}

// shift moves n cells of the cursor's row.
func (p *page) shift(to, from, n int) {
	copy(p.cells[p.y][to:to+n], p.cells[p.y][from:from+n])
	if p.pens != nil {
		copy(p.pens[p.y][to:to+n], p.pens[p.y][from:from+n])
	}
}

// mode sets what xterm calls private modes: of them, who has the screen.
func (s *Screen) mode(args []int, final byte) {
	if final != 'h' && final != 'l' {
		return
	}
	for _, n := range args {
		if n == 1049 || n == 1047 || n == 47 {
			if final == 'h' && !s.full {
				s.other.reset()
			}
			if final == 'l' && s.full && !s.live {
				s.left = s.Lines()
			}
			s.full = final == 'h'
		}
	}
}
