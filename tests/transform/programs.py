"""Programs with control flow, as IR text."""

NEWTON = """
func square_root(%a: f64) {
  %tolerance: f64 = const 1e-15
  %half: f64 = const 0.5
  %r: f64 = while %a { (%x: f64) ->
    %square: f64 = mul %x, %x
    %rest: f64 = sub %square, %a
    %size: f64 = abs %rest
    %more: bool = gt %size, %tolerance
    yield %more
  } { (%x.1: f64) ->
    %q: f64 = div %a, %x.1
    %s: f64 = add %x.1, %q
    %h: f64 = mul %half, %s
    yield %h
  }
  %last: f64 = div %a, %r
  %sum: f64 = add %r, %last
  %final: f64 = mul %half, %sum
  return %final
}"""

POWER = """
func power(%x: f64, %n: i64) {
  %0: i64 = const 0
  %1: i64 = const 1
  %one: f64 = const 1.0
  %r: f64 = for %0, %n, %1, %one { (%i: i64, %p: f64) ->
    %q: f64 = mul %p, %x
    yield %q
  }
  return %r
}"""

RECURRENCE = """
func recurrence(%a: f64[6], %y: f64[6]) {
  %n: i64 = const 6
  %1: i64 = const 1
  %r: f64[6] = for %1, %n, %1, %y { (%i: i64, %s: f64[6]) ->
    %j: i64 = sub %i, %1
    %p: f64 = view %s, %j {pairs = ()}
    %q: f64 = view %a, %i {pairs = ()}
    %v: f64 = mul %p, %q
    %w: f64[6] = update %s, %v, %i {pairs = ()}
    yield %w
  }
  return %r
}"""

CHOLESKY = """
func cholesky(%a: f64[4, 4]) {
  %0: i64 = const 0
  %1: i64 = const 1
  %n: i64 = const 4
  %r: f64[4, 4] = for %0, %n, %1, %a { (%i: i64, %A: f64[4, 4]) ->
    %B: f64[4, 4] = for %0, %i, %1, %A { (%j: i64, %C: f64[4, 4]) ->
      %s0: f64 = view %C, %i, %j {pairs = ()}
      %s: f64 = for %0, %j, %1, %s0 { (%k: i64, %t: f64) ->
        %x: f64 = view %C, %i, %k {pairs = ()}
        %y: f64 = view %C, %j, %k {pairs = ()}
        %z: f64 = mul %x, %y
        %u: f64 = sub %t, %z
        yield %u
      }
      %d: f64 = view %C, %j, %j {pairs = ()}
      %q: f64 = div %s, %d
      %D: f64[4, 4] = update %C, %q, %i, %j {pairs = ()}
      yield %D
    }
    %t0: f64 = view %B, %i, %i {pairs = ()}
    %e: f64 = for %0, %i, %1, %t0 { (%k.1: i64, %t.1: f64) ->
      %x.1: f64 = view %B, %i, %k.1 {pairs = ()}
      %z.1: f64 = mul %x.1, %x.1
      %u.1: f64 = sub %t.1, %z.1
      yield %u.1
    }
    %g: f64 = sqrt %e
    %E: f64[4, 4] = update %B, %g, %i, %i {pairs = ()}
    yield %E
  }
  return %r
}"""

LAYERS = """
func layers(%W: f64[5, 3, 3], %x: f64[3, 1]) {
  %0: i64 = const 0
  %1: i64 = const 1
  %n: i64 = const 5
  %r: f64[3, 1] = for %0, %n, %1, %x { (%i: i64, %h: f64[3, 1]) ->
    %w: f64[3, 3] = view %W, %i, %0, %0, %1, %1 {pairs = ((1, 0), (2, 1))}
    %m: f64[3, 1] = matmul %w, %h
    %t: f64[3, 1] = tanh %m
    yield %t
  }
  %z: f64 = reduce_sum %r {axes = (0, 1)}
  return %z
}"""

STENCIL = """
func heat(%u: f64[8]) {
  %0: i64 = const 0
  %1: i64 = const 1
  %2: i64 = const 2
  %n: i64 = const 5
  %k: f64 = const 0.1
  %r: f64[8] = for %0, %n, %1, %u { (%i: i64, %s: f64[8]) ->
    %a: f64[6] = view %s, %1, %1 {pairs = ((0, 0),)}
    %b: f64[6] = view %s, %2, %1 {pairs = ((0, 0),)}
    %c: f64[6] = view %s, %0, %1 {pairs = ((0, 0),)}
    %d: f64[6] = add %b, %c
    %K: f64[6] = view %k {pairs = ()}
    %e: f64[6] = mul %d, %K
    %g: f64[6] = add %a, %e
    %h: f64[8] = update %s, %g, %1, %1 {pairs = ((0, 0),)}
    yield %h
  }
  return %r
}"""

COLLATZ = """
# while n != 1 and x <= 3: an even n halves x, an odd one puts sin(x * v[k]) there
func collatz(%n: i64, %x: f64, %v: f64[8]) {
  %0: i64 = const 0
  %1: i64 = const 1
  %2: i64 = const 2
  %3: i64 = const 3
  %8: i64 = const 8
  %half: f64 = const 0.5
  %limit: f64 = const 3.0
  %m: i64, %y: f64, %w: f64[8], %k: i64 = while %n, %x, %v, %0 { (%m.1: i64, %y.1: f64, %w.1: f64[8], %k.1: i64) ->
    %a: bool = ne %m.1, %1
    %b: bool = le %y.1, %limit
    %c: bool = and %a, %b
    yield %c
  } { (%m.2: i64, %y.2: f64, %w.2: f64[8], %k.2: i64) ->
    %r: i64 = mod %m.2, %2
    %even: bool = eq %r, %0
    %at: i64 = mod %k.2, %8
    %m.3: i64, %y.3: f64, %w.3: f64[8] = if %even {
      %q: i64 = floordiv %m.2, %2
      %h: f64 = mul %y.2, %half
      yield %q, %h, %w.2
    } {
      %t: i64 = mul %m.2, %3
      %u: i64 = add %t, %1
      %e: f64 = view %w.2, %at {pairs = ()}
      %f: f64 = mul %y.2, %e
      %s: f64 = sin %f
      %sum: f64[8] = mul %w.2, %w.2
      %z: f64[8] = update %sum, %s, %at {pairs = ()}
      yield %u, %s, %z
    }
    %next: i64 = add %k.2, %1
    yield %m.3, %y.3, %w.3, %next
  }
  %total: f64 = reduce_sum %w {axes = (0,)}
  return %y, %total, %m
}"""

TALKING = """
func talking(%x: f64, %n: i64) {
  %0: i64 = const 0
  %1: i64 = const 1
  %limit: f64 = const 100.0
  %r: f64 = for %0, %n, %1, %x { (%i: i64, %y: f64) ->
    %z: f64 = mul %y, %y
    %ok: bool = lt %z, %limit
    check %ok, %z {exception = ValueError, args = ("{0} is too big",)}
    print %i, %z {parts = (&Slot(0, "python"), &Slot(1, "python")), sep = " ", end = "\\n"}
    yield %z
  }
  return %r
}"""
