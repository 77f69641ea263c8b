"""Print pages 2 and 3 of four on A5 by GTK 3: QUEUE TRAY; run by the system's Python."""

import sys

import gi

gi.require_version("Gtk", "3.0")
gi.require_version("PangoCairo", "1.0")
from gi.repository import Gtk, PangoCairo  # noqa: E402


def draw(_operation, context, number):
    layout = context.create_pango_layout()
    layout.set_text(f"Page {number + 1}", -1)
    PangoCairo.show_layout(context.get_cairo_context(), layout)


settings = Gtk.PrintSettings()
settings.set_printer(sys.argv[1])
settings.set_n_copies(2)
settings.set_collate(True)
settings.set_duplex(Gtk.PrintDuplex.HORIZONTAL)
settings.set_use_color(False)
settings.set_print_pages(Gtk.PrintPages.RANGES)
pages = Gtk.PageRange()
pages.start, pages.end = 1, 2
settings.set_page_ranges([pages])
settings.set("cups-InputSlot", sys.argv[2])
settings.set("cups-ColorModel", "Gray")
settings.set("cups-Duplex", "DuplexNoTumble")
operation = Gtk.PrintOperation(n_pages=4, job_name="GTK document", print_settings=settings)
setup = Gtk.PageSetup()
setup.set_paper_size_and_default_margins(Gtk.PaperSize.new("iso_a5"))
operation.set_default_page_setup(setup)
operation.connect("draw-page", draw)
result = operation.run(Gtk.PrintOperationAction.PRINT, None)
sys.exit(result != Gtk.PrintOperationResult.APPLY)
