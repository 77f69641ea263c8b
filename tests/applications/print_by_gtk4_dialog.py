"""Print by GTK 4's own print dialog: QUEUE; run by the system's Python, under a display.

Gtk.PrintOperation 4.8.3 crashes, so the script opens the dialog that PrintOperation would open
(Gtk.PrintUnixDialog), and prints with its settings (Gtk.PrintJob). The script sets printer, copies,
pages, both sides, tray, gray and paper, and draws the pages that the dialog asks for.
"""

import sys

import cairo
import gi

gi.require_version("Gtk", "4.0")
from gi.repository import GLib, Gtk  # noqa: E402

PAGES = 4


def widgets(parent, kind):
    if isinstance(parent, kind):
        yield parent
    child = parent.get_first_child()
    while child:
        yield from widgets(child, kind)
        child = child.get_next_sibling()


def label(item):
    """The text of a row of a field; the name of its paper."""
    if isinstance(item, Gtk.PageSetup):
        return item.get_paper_size().get_name()
    return item.get_property("string" if item.find_property("string") else "name")


def choose(view, text):
    """Select the row with `text`; false if there is none."""
    rows = view.get_model()
    labels = [label(row) for row in rows or ()]
    if text in labels:
        chooser = view if isinstance(view, Gtk.DropDown) else rows
        chooser.set_selected(labels.index(text))
    return text in labels


def select_printer():
    """Select the queue once it is listed; set the other fields once its options are known."""
    printer = dialog.get_selected_printer()
    if printer and printer.get_name() == queue and printer.has_details():
        set_fields()
        dialog.response(Gtk.ResponseType.OK)
        return False
    for view in widgets(dialog, Gtk.ColumnView):
        choose(view, queue)
    return True


def set_fields():
    next(widgets(dialog, Gtk.SpinButton)).set_value(2)
    buttons = {each.get_label(): each for each in widgets(dialog, Gtk.CheckButton)}
    buttons["Pag_es:"].set_active(True)
    buttons["C_ollate"].set_active(True)
    entries = [e for e in widgets(dialog, Gtk.Entry) if "page" in (e.get_tooltip_text() or "")]
    entries[0].set_text("2-3")
    fields = list(widgets(dialog, Gtk.DropDown))
    for text in ("Long Edge (Standard)", "Tray 2", "Grayscale", "iso_a5"):
        if not any(choose(field, text) for field in fields):
            sys.exit(f"no field offers {text}")


def print_pages(_dialog, response):
    dialog.hide()
    if response != Gtk.ResponseType.OK:
        sys.exit("the dialog was left")
    job = Gtk.PrintJob.new(
        "GTK 4 dialog", dialog.get_selected_printer(), dialog.get_settings(),
        dialog.get_page_setup(),
    )  # fmt: skip
    context = cairo.Context(job.get_surface())
    for pages in job.get_page_ranges():
        for number in range(pages.start, pages.end + 1):
            context.move_to(50, 50)
            context.show_text(f"Page {number + 1}")
            context.show_page()
    context.get_target().finish()
    job.send(sent)


def sent(_job, error):
    problems.extend([error] if error else [])
    loop.quit()


queue = sys.argv[1]
problems = []
loop = GLib.MainLoop()
Gtk.init()
dialog = Gtk.PrintUnixDialog(title="Print", embed_page_setup=True)
dialog.set_manual_capabilities(Gtk.PrintCapabilities.GENERATE_PDF)
dialog.connect("response", print_pages)
dialog.present()
GLib.timeout_add(100, select_printer)
loop.run()
sys.exit("; ".join(map(str, problems)) or 0)
