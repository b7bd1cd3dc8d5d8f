package wisp

import "strings"

// Extra is a member of problem details beside the standard ones.
type Extra struct {
	Name, Value string
}

var titles = map[int]string{
	400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
	409: "Conflict", 410: "Gone", 413: "Content Too Large", 415: "Unsupported Media Type", 422: "Unprocessable Content",
	429: "Too Many Requests", 500: "Internal Server Error", 501: "Not Implemented", 503: "Service Unavailable",
}

// Problem answers with problem details (RFC 9457).
func Problem(w *Response, status int, detail string, extra ...Extra) {
	w.Status = status
	w.Header().Set("content-type", "application/problem+json")
	content := []byte(`{"type":"about:blank","title":`)
	content = appendQuoted(content, titles[status])
	content = append(content, `,"status":`...)
	content = append(content, byte('0'+status/100%10), byte('0'+status/10%10), byte('0'+status%10))
	content = append(content, `,"detail":`...)
	content = appendQuoted(content, detail)
	for _, each := range extra {
		content = append(content, ',')
		content = appendQuoted(content, each.Name)
		content = append(content, ':')
		content = appendQuoted(content, each.Value)
	}
	_, _ = w.Write(append(content, '}'))
}

// appendQuoted appends a JSON string; encoding/json would double the size of a small component.
func appendQuoted(into []byte, value string) []byte {
	const digits = "0123456789abcdef"
	into = append(into, '"')
	for _, character := range strings.ToValidUTF8(value, "\uFFFD") {
		switch {
		case character == '"' || character == '\\':
			into = append(into, '\\', byte(character))
		case character < 0x20:
			into = append(into, '\\', 'u', '0', '0', digits[character>>4], digits[character&15])
		default:
			into = append(into, string(character)...)
		}
	}
	return append(into, '"')
}
