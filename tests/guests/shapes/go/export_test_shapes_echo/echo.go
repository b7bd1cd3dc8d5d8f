package export_test_shapes_echo

import (
	wit "github.com/wisp-wasm/wisp/guest/go/wit/types"

	"github.com/wisp-wasm/wisp/guest/go/wit/runtime"

	echo "shapes/bindings/test_shapes_echo"
	host "shapes/bindings/test_shapes_host"
)

type Counter struct {
	pinner runtime.Pinner
	handle int32
	value  uint32
}

func (self *Counter) OnDrop() {}

func MakeCounter(start uint32) *Counter { return &Counter{value: start} }

func (self *Counter) Add(more uint32) uint32 {
	self.value += more
	return self.value
}

func CounterLargest(of []*Counter) uint32 {
	var largest uint32
	for _, counter := range of {
		largest = max(largest, counter.value)
	}
	return largest
}

func Text(it string) string        { return it }
func Bytes(it []uint8) []uint8     { return it }
func Texts(it []string) []string   { return it }
func Numbers(it []uint64) []uint64 { return it }
func Letter(it rune) rune          { return it }

func Maybe(it wit.Option[string]) wit.Option[string] { return it }

func Pair(it wit.Tuple2[uint8, string]) (uint8, string) { return it.F0, it.F1 }
func Shapes(it []echo.Shape) []echo.Shape               { return it }
func Allowed(it echo.Access) echo.Access                { return it }
func Colour(it echo.Color) echo.Color                   { return it }

func Half(it uint32) wit.Result[uint32, string] {
	if it%2 == 1 {
		return wit.Err[uint32]("odd")
	}
	return wit.Ok[uint32, string](it / 2)
}

func Check(it bool) wit.Result[wit.Unit, wit.Unit] {
	if it {
		return wit.Ok[wit.Unit, wit.Unit](wit.Unit{})
	}
	return wit.Err[wit.Unit](wit.Unit{})
}

func Again(it string, times uint32) string { return host.Repeat(it, times) }
func Split(it string) []string             { return host.Words(it) }
