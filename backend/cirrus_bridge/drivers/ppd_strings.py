"""The texts of generated PPDs, by language: names of options and choices.

The translations are in the `cirrus-ppd` catalogs. CUPS's ppdc(1) reads the same files for the
generic drivers (`ppd/cirrus-bridge.drv`).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

from cirrus_bridge.base.translation import translations

DOMAIN = "cirrus-ppd"
LANGUAGES = ("de", "fr", "es", "ja")
ENGLISH = {
    "PageSize": "Media Size",
    "PageRegion": "Media Size",
    "PageSize B4": "JIS B4",
    "PageSize B5": "JIS B5",
    "PageSize ISOB5": "B5",
    "PageSize Letter": "US Letter",
    "PageSize Legal": "US Legal",
    "PageSize Env10": "Envelope #10",
    "PageSize EnvDL": "Envelope DL",
    "PageSize EnvC5": "Envelope C5",
    "InputSlot": "Media Source",
    "InputSlot Auto": "Automatic",
    "MediaType": "Media Type",
    "MediaType Auto": "Automatic",
    "ColorModel": "Color Mode",
    "ColorModel RGB": "Color",
    "ColorModel Gray": "Grayscale",
    "Duplex": "2-Sided Printing",
    "Duplex None": "Off",
    "Duplex DuplexNoTumble": "Long Edge (Standard)",
    "Duplex DuplexTumble": "Short Edge (Flip)",
    "Collate": "Collate",
    "Collate False": "No",
    "Collate True": "Yes",
    "Resolution": "Resolution",
    "Resolution 300dpi": "300 dpi",
    "Resolution 600dpi": "600 dpi",
    "Cirrus": "Cloud",
    "CirrusScale": "Scaling at the Device",
    "CirrusScale Default": "Default",
    "CirrusScale Fit": "Fit to Page",
    "CirrusScale Shrink": "Shrink to Fit",
    "CirrusScale Actual": "Actual Size",
    "CirrusPriority": "Priority in the Cloud",
    "CirrusPriority Default": "Default",
    "CirrusBitmap": "Print as Bitmap",
    "CirrusBitmap Default": "Default",
    "CirrusBitmap 300": "300 dpi",
    "CirrusBitmap 600": "600 dpi",
}


@functools.cache
def words_in(language: str) -> Mapping[str, str]:
    """The text of each option, and of each choice under the key `OPTION CHOICE`."""
    if language == "en":
        return ENGLISH
    found = translations(DOMAIN, (language,))
    return {key: found.gettext(word) for key, word in ENGLISH.items()}
