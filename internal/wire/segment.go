package wire

// Segment escapes s as one segment of a URL's path: all but the characters that RFC 3986 calls unreserved, as some vendors
// demand. url.PathEscape leaves more as they are, the colon of an ARN among them.
func Segment(s string) string {
	const hex = "0123456789ABCDEF"
	out := make([]byte, 0, len(s)+16)
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~':
			out = append(out, c)
		default:
			out = append(out, '%', hex[c>>4], hex[c&15])
		}
	}
	return string(out)
}
