package schedule

import "strings"

// Nearest returns the known word that was probably meant, "" if none is near:
// one that differs only in case, or by one slip in four letters.
func Nearest(word string, known []string) string {
	best, distance := "", len([]rune(word))/4+1
	if len(word) > maxText {
		return ""
	}
	for _, k := range known {
		if strings.EqualFold(k, word) {
			return k
		}
		if d := slips(strings.ToLower(word), strings.ToLower(k), distance); d <= distance && (best == "" || d < distance) {
			best, distance = k, d
		}
	}
	return best
}

// slips counts the letters to add, drop, replace or swap with their neighbour
// to make b of a; it gives up beyond most.
func slips(a, b string, most int) int {
	s, t := []rune(a), []rune(b)
	if len(s)-len(t) > most || len(t)-len(s) > most {
		return most + 1
	}
	var before []int
	row := make([]int, len(t)+1)
	for j := range row {
		row[j] = j
	}
	for i := range s {
		next := make([]int, len(t)+1)
		next[0] = i + 1
		for j := range t {
			replace := row[j]
			if s[i] != t[j] {
				replace++
			}
			next[j+1] = min(replace, row[j+1]+1, next[j]+1)
			if i > 0 && j > 0 && s[i] == t[j-1] && s[i-1] == t[j] {
				next[j+1] = min(next[j+1], before[j-1]+1)
			}
		}
		before, row = row, next
	}
	return row[len(t)]
}
