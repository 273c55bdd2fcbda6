"""The one parser of numbers in a row: ``0.1..0.5``, ``0.1..0.5:0.2``, ``10,20,50``."""

from decimal import Decimal, InvalidOperation

from denoise_cli.errors import UsageError

MOST = 1000  # values a text may stand for

_FORMS = "Write 0.1..0.5 (tenths between tenths, tens between tens), 0.1..0.5:0.2 (with a step) or 10,20,50."


def parse_range(text: str) -> tuple[float, ...]:
    """The numbers that ``text`` stands for, in its order, each once; exact decimals (0.3, never 0.30000000000000004).

    A range without a step goes by the largest power of ten that both ends are multiples of: ``0.1..0.5`` by tenths,
    ``10..50`` by tens. Commas join numbers and ranges. Raises ``UsageError``, which shows the forms.
    """
    values: dict[float, None] = {}
    for part in text.split(","):
        values.update(dict.fromkeys(map(float, _part(part.strip(), text))))
        if len(values) > MOST:
            raise _too_many(text)
    return tuple(values)


def _part(part: str, text: str) -> list[Decimal]:
    if ".." not in part:
        return [_number(part, text)]
    ends, colon, step_text = part.partition(":")
    low, high = (_number(end, text) for end in ends.split("..", 1))
    step = _number(step_text, text) if colon else _place(low, high)
    if low > high:
        raise UsageError(f"The range {part!r} runs backwards.", f"The lower end comes first. {_FORMS}")
    if step <= 0:
        raise UsageError(f"The range {part!r} has a step of {step}.", f"The step is above 0. {_FORMS}")
    if (high - low) / step >= MOST:
        raise _too_many(text)
    return [low + count * step for count in range(int((high - low) / step) + 1)]


def _number(word: str, text: str) -> Decimal:
    try:
        number = Decimal(word.strip())
    except InvalidOperation:
        raise UsageError(f"{text!r} is no number, range or list of numbers.", _FORMS) from None
    if not number.is_finite() or (not number.is_zero() and not -12 <= number.adjusted() <= 12):
        raise UsageError(f"{word.strip()!r} is out of all bounds.", _FORMS)
    return number


def _place(low: Decimal, high: Decimal) -> Decimal:
    """The largest power of ten that divides both ends."""
    exponents = [int(end.normalize().as_tuple().exponent) for end in (low, high) if not end.is_zero()]
    return Decimal(1).scaleb(min(exponents, default=0))


def _too_many(text: str) -> UsageError:
    return UsageError(f"{text!r} stands for more than {MOST} numbers.", f"Give a larger step. {_FORMS}")
