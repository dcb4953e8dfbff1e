"""What a person sees while a model trains: a bar in a terminal, plain lines elsewhere (a log file, CI)."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

PLAIN_LINES = 20  # a log file gets about this many lines


class PatientConsole(Console):
    """Falls silent when nobody reads it any more (a closed pipe), where rich would end the program."""

    def on_broken_pipe(self) -> None:
        self.quiet = True


class TrainingProgress:
    """Shows steps, loss, speed, MFU and time left on standard error, unless it is told to be quiet."""

    def __init__(self, max_steps: int, start: int, quiet: bool = False) -> None:
        self.max_steps = max_steps
        self.console = PatientConsole(stderr=True, highlight=False, quiet=quiet)
        self.live = self.console.is_terminal and not quiet
        self.every = max(1, max_steps // PLAIN_LINES)
        self.next_plain = start
        self.bar = Progress(
            TextColumn("training"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("[bold]loss {task.fields[loss]}[/bold]{task.fields[figures]}  {task.fields[speed]}"),
            TimeRemainingColumn(),
            console=self.console,
            disable=not self.live,
            expand=True,
        )
        self.task = self.bar.add_task("training", total=max_steps, completed=start, loss="…", figures="", speed="")

    def __enter__(self) -> TrainingProgress:
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.stop()

    def advance(self, step: int) -> None:
        """A step was taken (cheap: touches no number of the device's)."""
        if self.live:
            self.bar.update(self.task, completed=step)

    def logged(
        self, step: int, loss: float, figures: Mapping[str, float], tokens_per_second: float, mfu: float
    ) -> None:
        """A step was measured; `figures` is what the objective tells besides its loss."""
        told = "".join(f"  {name.replace('_', ' ')} {value:.3f}" for name, value in figures.items())
        speed = f"{tokens_per_second:,.0f} tok/s  MFU {mfu:.0%}"
        if self.live:
            self.bar.update(self.task, completed=step, loss=f"{loss:.3f}", figures=told, speed=speed)
        elif step >= self.next_plain or step == self.max_steps:
            self.next_plain = step + self.every
            self.say(f"step {step}/{self.max_steps}  loss {loss:.4f}{told}  {speed}")

    def say(self, text: str) -> None:
        """A line above the bar."""
        self.console.print(text, markup=False, soft_wrap=True)
