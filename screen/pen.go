package screen

import "strings"

// Pen is how a cell is written: two colours and some marks. The zero pen is the usual one.
type Pen uint32

// Marks of a pen. What is to be hidden (SGR 8) and what blinks are not among them: a screen
// is there to be read.
const (
	Bold Pen = 1 << (2*colourBits + iota)
	Dim
	Italic
	Underline
	Inverse
	Strike
)

// A colour is one of 256, as xterm numbers them, and one more: 0 is the usual one.
const (
	colourBits = 9
	colourMask = 1<<colourBits - 1
)

// Ink is the colour of what is written, 1 more than its number; 0 is the usual one.
func (p Pen) Ink() int { return int(p & colourMask) }

// Paper is the colour behind it.
func (p Pen) Paper() int { return int(p >> colourBits & colourMask) }

// Has reports whether it has a mark.
func (p Pen) Has(mark Pen) bool { return p&mark != 0 }

// behind is what is left where a cell is erased: the colour behind.
func (p Pen) behind() Pen { return p & (colourMask << colourBits) }

func (p Pen) ink(colour int) Pen { return p&^colourMask | Pen(colour) }

func (p Pen) paper(colour int) Pen {
	return p&^(colourMask<<colourBits) | Pen(colour)<<colourBits
}

// graphics is the pen after a sequence of graphic renditions (ECMA-48 8.3.117, and xterm's colours).
func (p Pen) graphics(text string) Pen {
	args := numbers(colons(text))
	for i := 0; i < len(args); i++ {
		switch n := args[i]; {
		case n == 0:
			p = 0
		case n == 1:
			p |= Bold
		case n == 2:
			p |= Dim
		case n == 3:
			p |= Italic
		case n == 4, n == 21:
			p |= Underline
		case n == 7:
			p |= Inverse
		case n == 9:
			p |= Strike
		case n == 22:
			p &^= Bold | Dim
		case n == 23:
			p &^= Italic
		case n == 24:
			p &^= Underline
		case n == 27:
			p &^= Inverse
		case n == 29:
			p &^= Strike
		case n >= 30 && n <= 37:
			p = p.ink(n - 29)
		case n >= 40 && n <= 47:
			p = p.paper(n - 39)
		case n >= 90 && n <= 97:
			p = p.ink(n - 81)
		case n >= 100 && n <= 107:
			p = p.paper(n - 91)
		case n == 39:
			p = p.ink(0)
		case n == 49:
			p = p.paper(0)
		case n == 38, n == 48, n == 58:
			colour, used := colourOf(args[i+1:])
			i += used
			switch {
			case colour == 0 || n == 58: // of the line below; it has no colour of its own here
			case n == 38:
				p = p.ink(colour)
			default:
				p = p.paper(colour)
			}
		}
	}
	return p
}

// colons writes the forms with colons as those without: "38:5:1" is "38;5;1", "38:2::1:2:3",
// where a colour space is left out, "38;2;1;2;3", "4:3" is a form of 4, and "4:0" none.
func colons(text string) string {
	if !strings.Contains(text, ":") {
		return text
	}
	parts := strings.Split(text, ";")
	for i, part := range parts {
		if form, ok := strings.CutPrefix(part, "4:"); ok {
			if parts[i] = "4"; form == "0" {
				parts[i] = "24"
			}
			continue
		}
		args := strings.Split(part, ":")
		if len(args) == 6 && args[1] == "2" {
			args = append(args[:2:2], args[3:]...)
		}
		parts[i] = strings.Join(args, ";")
	}
	return strings.Join(parts, ";")
}

// colourOf reads what follows 38 or 48, and says how many numbers it takes.
func colourOf(args []int) (colour, used int) {
	switch {
	case len(args) >= 2 && args[0] == 5:
		return min(args[1], 255) + 1, 2
	case len(args) >= 4 && args[0] == 2:
		return nearest(args[1], args[2], args[3]), 4
	}
	return 0, len(args)
}

// nearest is the colour of xterm's cube of 216 that is nearest, or of its 24 greys.
func nearest(r, g, b int) int {
	r, g, b = min(r, 255), min(g, 255), min(b, 255)
	if d := max(r, g, b) - min(r, g, b); d < 8 {
		switch grey := (r + g + b) / 3; {
		case grey < 4:
			return 16 + 1
		case grey > 246:
			return 231 + 1
		default:
			return 232 + min(23, max(0, (grey-3)/10)) + 1
		}
	}
	level := func(v int) int {
		if v < 48 {
			return 0
		}
		if v < 115 {
			return 1
		}
		return (v - 35) / 40
	}
	return 16 + 36*level(r) + 6*level(g) + level(b) + 1
}

// colour makes room for the pens of a page.
func (p *page) colour() {
	if p.pens != nil {
		return
	}
	p.pens = make([][]Pen, len(p.cells))
	for i := range p.pens {
		p.pens[i] = make([]Pen, len(p.cells[i]))
	}
}

// paint says with which pen cells of the cursor's row were written.
func (p *page) paint(from, to int, pen Pen) {
	if pen != 0 {
		p.colour()
	}
	if p.pens == nil {
		return
	}
	row := p.pens[p.y][from:to]
	for i := range row {
		row[i] = pen
	}
}

// Run is a part of a row that one pen has written.
type Run struct {
	Text string
	Pen  Pen
}

// Runs is what Lines is, with the pens it was written with: nil for a row of which all is
// usual. Blanks at the end of a row are there if they are seen.
func (s *Screen) Runs() [][]Run {
	p := s.page()
	out := make([][]Run, len(p.cells))
	for i := range out {
		out[i] = p.runs(i)
	}
	return out
}

func (p *page) runs(i int) (out []Run) {
	if p.pens == nil {
		return nil
	}
	end, usual := 0, true
	for x, pen := range p.pens[i] {
		c := p.cells[i][x]
		seen := c != 0 && c != ' ' || pen.behind() != 0 || pen.Has(Inverse|Underline|Strike)
		if seen {
			end = x + 1
			usual = usual && pen == 0
		}
	}
	if usual {
		return nil
	}
	var b strings.Builder
	pen := p.pens[i][0]
	for x := range end {
		if p.pens[i][x] != pen && p.cells[i][x] != wide {
			out = append(out, Run{b.String(), pen})
			b.Reset()
			pen = p.pens[i][x]
		}
		switch c := p.cells[i][x]; c {
		case 0:
			b.WriteByte(' ')
		case wide:
		default:
			b.WriteRune(c)
		}
	}
	return append(out, Run{b.String(), pen})
}
