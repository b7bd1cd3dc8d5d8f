package wisp

import "encoding/json"

// JSON answers with a value as application/json.
func JSON(w *Response, status int, value any) {
	content, err := json.Marshal(value)
	if err != nil {
		Problem(w, 500, "the answer is not JSON")
		return
	}
	w.Status = status
	w.Header().Set("content-type", "application/json")
	_, _ = w.Write(content)
}
