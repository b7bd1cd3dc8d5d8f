// Package types has the types of WIT that Go has none for.
package types

// Unit is a value that says nothing: what stands where a result has no type.
type Unit struct{}

// What Option.Tag returns.
const (
	OptionNone uint8 = 0
	OptionSome uint8 = 1
)

// Option is a value that may be absent.
type Option[T any] struct {
	tag   uint8
	value T
}

// None is an Option without a value.
func None[T any]() Option[T] { return Option[T]{} }

// Some is an Option with a value.
func Some[T any](value T) Option[T] { return Option[T]{OptionSome, value} }

// Tag says which it is.
func (o Option[T]) Tag() uint8 { return o.tag }

// IsSome says whether there is a value.
func (o Option[T]) IsSome() bool { return o.tag == OptionSome }

// IsNone says whether there is no value.
func (o Option[T]) IsNone() bool { return o.tag == OptionNone }

// Some returns the value; it panics when there is none.
func (o Option[T]) Some() T {
	if o.tag != OptionSome {
		panic("this option has no value")
	}
	return o.value
}

// SomeOr returns the value, or another when there is none.
func (o Option[T]) SomeOr(other T) T {
	if o.tag == OptionSome {
		return o.value
	}
	return other
}

// What Result.Tag returns.
const (
	ResultOk  uint8 = 0
	ResultErr uint8 = 1
)

// Result is a value, or an error.
type Result[T, E any] struct {
	tag   uint8
	ok    T
	error E
}

// Ok is a Result with a value.
func Ok[T, E any](value T) Result[T, E] { return Result[T, E]{tag: ResultOk, ok: value} }

// Err is a Result with an error.
func Err[T, E any](value E) Result[T, E] { return Result[T, E]{tag: ResultErr, error: value} }

// Tag says which it is.
func (r Result[T, E]) Tag() uint8 { return r.tag }

// IsOk says whether there is a value.
func (r Result[T, E]) IsOk() bool { return r.tag == ResultOk }

// IsErr says whether there is an error.
func (r Result[T, E]) IsErr() bool { return r.tag == ResultErr }

// Ok returns the value; it panics when there is an error.
func (r Result[T, E]) Ok() T {
	if r.tag != ResultOk {
		panic("this result is an error")
	}
	return r.ok
}

// Err returns the error; it panics when there is a value.
func (r Result[T, E]) Err() E {
	if r.tag != ResultErr {
		panic("this result is a value")
	}
	return r.error
}
