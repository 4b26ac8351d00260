package config

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// parseDuration reads a positive time span. The second result says what is wrong.
func parseDuration(s string) (time.Duration, string) {
	t, err := time.ParseDuration(s)
	if err != nil {
		return 0, "must be a duration with a unit (ms, s, m, h), such as 30s or 5m"
	}
	if t <= 0 {
		return 0, "must be more than zero"
	}
	return t, ""
}

// parseSize reads a number of bytes from 1 to most. The second result says what is wrong.
func parseSize(s string, most int64) (int64, string) {
	digits := strings.TrimRight(s, "BKMGi ")
	n, err := strconv.ParseInt(digits, 10, 64)
	unit := unitBytes(strings.TrimPrefix(s[len(digits):], " "))
	switch {
	case err != nil || unit == 0:
		return 0, "must be a whole number with a unit (B, KB, MB, GB, KiB, MiB, GiB), such as 256KiB or 10MB"
	case n <= 0:
		return 0, "must be more than zero"
	case n > math.MaxInt64/unit || n*unit > most:
		return 0, "must be at most " + formatSize(most)
	}
	return n * unit, ""
}

func unitBytes(unit string) int64 {
	switch unit {
	case "B":
		return 1
	case "KB":
		return 1e3
	case "MB":
		return 1e6
	case "GB":
		return 1e9
	case "KiB":
		return 1 << 10
	case "MiB":
		return 1 << 20
	case "GiB":
		return 1 << 30
	}
	return 0
}

// formatDuration writes t as a person would in the file; empty for zero.
func formatDuration(t time.Duration) string {
	switch {
	case t == 0:
		return ""
	case t%time.Hour == 0:
		return strconv.FormatInt(int64(t/time.Hour), 10) + "h"
	case t%time.Minute == 0:
		return strconv.FormatInt(int64(t/time.Minute), 10) + "m"
	}
	return t.String()
}

// formatSize writes n as a person would in the file; empty for zero.
func formatSize(n int64) string {
	for _, u := range []string{"GiB", "MiB", "KiB"} {
		if b := unitBytes(u); n > 0 && n%b == 0 {
			return strconv.FormatInt(n/b, 10) + u
		}
	}
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10) + "B"
}
