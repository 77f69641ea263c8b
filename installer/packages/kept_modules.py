"""Import the modules of a frozen program from one file that stays open (module_file.py writes it).

Every frozen program runs this second. An upgrade replaces the file, but a job under way continues
with the modules of its own version. PyInstaller's archive has no modules: PyInstaller opens it by
name for each module, decompresses the module, and reads a slow table of contents at each start.
"""

import marshal
import os
import sys

_folder = vars(sys)["_MEIPASS"]
_file = os.open(f"{_folder}/modules", os.O_RDONLY)
_end = os.fstat(_file).st_size - 4
_index_bytes = int.from_bytes(os.pread(_file, 4, _end), "little")
_index_at = _end - _index_bytes
# by name: whether the module is a package, its place before the index, its size
_modules = marshal.loads(os.pread(_file, _index_bytes, _index_at))  # noqa: S302 - our own file
_new_loader = vars(sys.modules["pyimod02_importers"])["PyiFrozenLoader"]
_new_spec = type(sys.__spec__)


class _Archive:
    """What a loader of PyInstaller needs."""

    @staticmethod
    def extract(name: str) -> object:
        _, before_index, size = _modules[name]
        # processes share the position of an inherited file
        return marshal.loads(os.pread(_file, size, _index_at - before_index))  # noqa: S302


class _Finder:
    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> object:
        if name not in _modules:
            return None  # built-in, compiled or missing
        is_package = _modules[name][0]
        loader = _new_loader(name, _Archive, name, is_package)
        spec = _new_spec(name, loader, origin=loader.path, is_package=is_package)
        spec.has_location = True  # which sets __file__
        if is_package:
            spec.submodule_search_locations = [loader.path.rpartition("/")[0]]
        return spec


sys.meta_path.insert(2, _Finder)  # type: ignore[arg-type] # before those that search folders
sys.path.remove(f"{_folder}/base_library.zip")  # has only what Python has imported before
