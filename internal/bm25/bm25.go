// Package bm25 finds texts by words. It ranks them with Okapi BM25 (Robertson and Zaragoza, "The Probabilistic Relevance
// Framework: BM25 and Beyond", 2009), in memory and without a model.
package bm25

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

// The usual constants of BM25: how soon more of the same word stops to count, and how much long texts are held back.
const (
	k1 = 1.2
	b  = 0.75
)

// partly is what a word counts that is only the beginning of a word, or the other way round.
const partly = 0.5

const (
	maxWords = 4096 // of one text; further ones are not looked at
	maxQuery = 64   // words of a query, likewise
	minPart  = 4    // letters of a beginning that counts
	maxRest  = 8    // letters by which a word may be longer than that of the query
	maxEnd   = 4    // letters by which it may be shorter
)

// Field is a part of a text. Its words count as if they stood there Weight times.
type Field struct {
	Text   string
	Weight int
}

// Index is a set of texts, numbered from 0. It is not changed after New and may be used by many goroutines.
type Index struct {
	words    []string // sorted
	postings [][]posting
	lengths  []float64
	mean     float64
	size     int
}

// posting is how often a word stands in a text.
type posting struct {
	text  int
	times float64
}

// New returns the index of texts, each made of fields.
func New(texts [][]Field) *Index {
	x := &Index{lengths: make([]float64, len(texts))}
	at := map[string]int{}
	for i, fields := range texts {
		left := maxWords
		for _, f := range fields {
			for w := range Words(f.Text) {
				if left--; left < 0 {
					break
				}
				x.count(at, w, i, float64(f.Weight))
			}
		}
	}
	for _, l := range x.lengths {
		x.mean += l / float64(len(x.lengths))
	}
	x.sort()
	return x
}

// count notes a word of a text. The texts come in order.
func (x *Index) count(at map[string]int, word string, text int, weight float64) {
	x.lengths[text] += weight
	n, known := at[word]
	if !known {
		n = len(x.words)
		at[word] = n
		x.words, x.postings = append(x.words, strings.Clone(word)), append(x.postings, nil)
		x.size += len(word) + 64
	}
	p := x.postings[n]
	if len(p) > 0 && p[len(p)-1].text == text {
		p[len(p)-1].times += weight
		return
	}
	x.postings[n] = append(p, posting{text, weight})
	x.size += 16
}

// sort puts the words in order.
func (x *Index) sort() {
	order := make([]int, len(x.words))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return strings.Compare(x.words[a], x.words[b]) })
	words, postings := make([]string, len(order)), make([][]posting, len(order))
	for i, n := range order {
		words[i], postings[i] = x.words[n], x.postings[n]
	}
	x.words, x.postings = words, postings
}

// Size is about how many bytes the index takes.
func (x *Index) Size() int { return x.size + 8*len(x.lengths) }

// Search returns the texts that have words of the query, the best first; of two that are equally good, the one with the lower
// number. For the same texts and the same query it is always the same.
func (x *Index) Search(query string) []int {
	scores := make([]float64, len(x.lengths))
	words := 0
	for w := range Words(query) {
		if words++; words > maxQuery {
			break
		}
		x.score(scores, w)
	}
	var found []int
	for i, s := range scores {
		if s > 0 {
			found = append(found, i)
		}
	}
	slices.SortStableFunc(found, func(a, b int) int { return cmp.Compare(scores[b], scores[a]) })
	return found
}

// score adds what one word of a query is worth to each text.
func (x *Index) score(scores []float64, word string) {
	n, exact := slices.BinarySearch(x.words, word)
	if exact {
		x.add(scores, n, 1)
		n++
	}
	if len(word) < minPart {
		return
	}
	for ; n < len(x.words) && strings.HasPrefix(x.words[n], word); n++ {
		if len(x.words[n]) <= len(word)+maxRest {
			x.add(scores, n, partly)
		}
	}
	for l := len(word) - 1; l >= max(minPart, len(word)-maxEnd); l-- {
		if n, ok := slices.BinarySearch(x.words, word[:l]); ok {
			x.add(scores, n, partly)
		}
	}
}

func (x *Index) add(scores []float64, word int, worth float64) {
	with := x.postings[word]
	n, all := float64(len(with)), float64(len(x.lengths))
	rare := math.Log(1 + (all-n+0.5)/(n+0.5))
	for _, p := range with {
		long := 1 - b + b*x.lengths[p.text]/x.mean
		scores[p.text] += worth * rare * p.times * (k1 + 1) / (p.times + k1*long)
	}
}
