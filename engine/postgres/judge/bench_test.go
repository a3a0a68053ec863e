package judge

import (
	"fmt"
	"strings"
	"testing"
)

func benchmarked() map[string]string {
	return map[string]string{
		"select": "SELECT id, name FROM customers WHERE id = 17",
		"insert": "INSERT INTO orders (id, cust, status) VALUES (1, 2, 'new') RETURNING id",
		"10 KiB": "SELECT id FROM orders WHERE id IN (" + strings.Repeat("123456, ", 1270) + "1)",
	}
}

// A text that nobody sent before: the grammar reads it.
func BenchmarkNewText(b *testing.B) {
	for name, text := range benchmarked() {
		b.Run(name, func(b *testing.B) {
			j := shopJudge(b)
			j.Judge(text)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				i++
				if v := j.Judge(fmt.Sprintf("%s -- %d", text, i)); v.Refused != nil {
					b.Fatal(v.Refused)
				}
			}
		})
	}
}

// A text that another grant's sessions sent: it is parsed, but not judged.
func BenchmarkNewRulebook(b *testing.B) {
	for name, text := range benchmarked() {
		b.Run(name, func(b *testing.B) {
			j := shopJudge(b)
			j.Judge(text)
			b.ReportAllocs()
			for b.Loop() {
				if v, _ := j.judge(text); v.Refused != nil {
					b.Fatal(v.Refused)
				}
			}
		})
	}
}

func BenchmarkRepeatedText(b *testing.B) {
	for name, text := range benchmarked() {
		b.Run(name, func(b *testing.B) {
			j := shopJudge(b)
			for i := range 200 {
				j.Judge(fmt.Sprint("SELECT ", i))
			}
			j.Judge(strings.Clone(text))
			b.ReportAllocs()
			for b.Loop() {
				if v := j.Judge(text); v.Refused != nil {
					b.Fatal(v.Refused)
				}
			}
		})
	}
}

// The catalog is read again: a thousand tables of twenty columns.
func BenchmarkRulebook(b *testing.B) {
	c := Catalog{}
	for i := range 1000 {
		t := Table{Schema: "public", Name: fmt.Sprint("table", i)}
		for k := range 20 {
			t.Columns = append(t.Columns, fmt.Sprint("column", k))
		}
		c.Tables = append(c.Tables, t)
	}
	p := Permission{Allow: rules(b, shop)}
	for b.Loop() {
		NewRulebook(&grammarOf, p, c)
	}
}
