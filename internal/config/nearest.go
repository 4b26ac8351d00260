package config

import "strings"

// nearest returns the one of names that someone who wrote got may have meant, or "".
func nearest(got string, names []string) string {
	if len(got) > 64 {
		return ""
	}
	fold := func(s string) string {
		return strings.ReplaceAll(strings.ReplaceAll(strings.ToLower(s), "-", ""), "_", "")
	}
	best, least := "", 3
	for _, n := range names {
		if fold(n) == fold(got) {
			return n
		}
		if d := distance(fold(got), fold(n)); d < least && d*2 <= max(len(got), len(n)) {
			best, least = n, d
		}
	}
	return best
}

// distance is the number of letters to add, drop or change between a and b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
