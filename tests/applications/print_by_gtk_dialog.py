"""Print by GTK 3's own print dialog: QUEUE; run by the system's Python, under a display.

The real dialog shows the system's printers. The script sets printer, copies, pages, both sides,
tray and paper, and clicks Print.
"""

import sys

import gi

gi.require_version("Gtk", "3.0")
gi.require_version("PangoCairo", "1.0")
from gi.repository import GLib, Gtk, PangoCairo  # noqa: E402


def draw(_operation, context, number):
    layout = context.create_pango_layout()
    layout.set_text(f"Page {number + 1}", -1)
    PangoCairo.show_layout(context.get_cairo_context(), layout)


def widgets(parent, kind):
    if isinstance(parent, kind):
        yield parent
    if isinstance(parent, Gtk.Container):
        found = []
        parent.forall(found.append)
        for child in found:
            yield from widgets(child, kind)


def choose(dialog, text):
    """Set the combination field that offers `text`."""
    for combo in widgets(dialog, Gtk.ComboBox):
        model = combo.get_model()
        for row in model or ():
            if text in [cell for cell in row if isinstance(cell, str)]:
                combo.set_active_iter(row.iter)
                return
    raise LookupError(text)


def choose_paper(dialog, name):
    """Set the combination field of papers, whose rows are whole page setups."""
    for combo in widgets(dialog, Gtk.ComboBox):
        for row in combo.get_model() or ():
            setups = [cell for cell in row if isinstance(cell, Gtk.PageSetup)]
            if any(setup.get_paper_size().get_name() == name for setup in setups):
                combo.set_active_iter(row.iter)
                return
    raise LookupError(name)


def select_printer(dialog):
    for view in widgets(dialog, Gtk.TreeView):
        for row in view.get_model() or ():
            if sys.argv[1] in [cell for cell in row if isinstance(cell, str)]:
                view.get_selection().select_iter(row.iter)
                return True
    return False


def by_hand(steps=[0]):  # noqa: B006
    tops = Gtk.Window.list_toplevels()
    dialogs = [top for top in tops if top.__gtype__.name == "GtkPrintUnixDialog"]
    if not dialogs:
        return True
    dialog = dialogs[0]
    printer = dialog.get_property("selected-printer")
    if not printer or printer.get_property("name") != sys.argv[1]:
        select_printer(dialog)
        return True
    steps[0] += 1
    if steps[0] == 5:
        next(s for s in widgets(dialog, Gtk.SpinButton)).set_value(4)
        (pages,) = [r for r in widgets(dialog, Gtk.RadioButton) if r.get_label() == "Pag_es:"]
        pages.set_active(True)
        entries = [e for e in widgets(dialog, Gtk.Entry) if "page" in (e.get_tooltip_text() or "")]
        entries[0].set_text("2-3")
        choose(dialog, "Long Edge (Standard)")
        choose(dialog, "Tray 2")
        choose_paper(dialog, "iso_a5")
    if steps[0] == 10:
        dialog.response(Gtk.ResponseType.OK)
        return False
    return True


GLib.timeout_add(100, by_hand)
operation = Gtk.PrintOperation(n_pages=4, job_name="GTK dialog", embed_page_setup=True)
operation.connect("draw-page", draw)
result = operation.run(Gtk.PrintOperationAction.PRINT_DIALOG, None)
sys.exit(result != Gtk.PrintOperationResult.APPLY)
