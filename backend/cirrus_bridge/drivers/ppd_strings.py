"""The texts of generated PPDs, by language: names of options and choices, and what a queue's
printer-state-reasons mean.

The translations are in the `cirrus-ppd` catalogs. CUPS's ppdc(1) reads the same files for the
generic drivers (`ppd/cirrus-bridge.drv`).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

from cirrus_bridge.base.translation import translations
from cirrus_bridge.config.defaults import OFFLINE_REASON

DOMAIN = "cirrus-ppd"
LANGUAGES = ("de", "fr", "es", "ja")
REASONS = (OFFLINE_REASON,)
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
    "StapleLocation": "Staple",
    "StapleLocation None": "Off",
    "StapleLocation SingleAuto": "On",
    "StapleLocation SaddleStitch": "Saddle Stitch",
    "PunchMedia": "Punch",
    "PunchMedia None": "Off",
    "PunchMedia SingleAuto": "On",
    "FoldType": "Fold",
    "FoldType None": "Off",
    "FoldType Auto": "On",
    "FoldType Half": "In Half",
    "FoldType Letter": "Letter Fold",
    "FoldType ZFold": "Z Fold",
    "OutputBin": "Output Bin",
    "OutputBin Auto": "Automatic",
    "OutputBin FaceUp": "Face Up",
    "OutputBin FaceDown": "Face Down",
    "OutputBin Top": "Top",
    "OutputBin Middle": "Middle",
    "OutputBin Bottom": "Bottom",
    "OutputBin Left": "Left",
    "OutputBin Right": "Right",
    "OutputBin Rear": "Rear",
    "cupsPrintQuality": "Print Quality",
    "cupsPrintQuality Draft": "Draft",
    "cupsPrintQuality Normal": "Normal",
    "cupsPrintQuality High": "High",
    "MediaType Stationery": "Plain Paper",
    "MediaType StationeryRecycled": "Recycled Paper",
    "MediaType StationeryLetterhead": "Letterhead",
    "MediaType StationeryPreprinted": "Preprinted Paper",
    "MediaType StationeryHeavyweight": "Heavy Paper",
    "MediaType Cardstock": "Cardstock",
    "MediaType Envelope": "Envelope",
    "MediaType Labels": "Labels",
    "MediaType Transparency": "Transparency",
    "MediaType Photographic": "Photo Paper",
    "MediaType PhotographicGlossy": "Glossy Photo Paper",
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
    f"cupsIPPReason {OFFLINE_REASON}": "The location or the print server is offline",
}

_AT = {
    "SinglePortrait": "Top Left",
    "SingleRevLandscape": "Bottom Left",
    "SingleLandscape": "Top Right",
    "SingleRevPortrait": "Bottom Right",
    "DualPortrait": "2 Left",
    "DualLandscape": "2 Top",
    "DualRevPortrait": "2 Right",
    "DualRevLandscape": "2 Bottom",
    "TriplePortrait": "3 Left",
    "TripleLandscape": "3 Top",
    "TripleRevPortrait": "3 Right",
    "TripleRevLandscape": "3 Bottom",
    "QuadPortrait": "4 Left",
    "QuadLandscape": "4 Top",
    "QuadRevPortrait": "4 Right",
    "QuadRevLandscape": "4 Bottom",
}
for _option in ("StapleLocation", "PunchMedia"):
    ENGLISH |= {f"{_option} {choice}": text for choice, text in _AT.items()}


@functools.cache
def words_in(language: str) -> Mapping[str, str]:
    """The text of each option, and of each choice under the key `OPTION CHOICE`."""
    if language == "en":
        return ENGLISH
    found = translations(DOMAIN, (language,))
    return {key: found.gettext(word) for key, word in ENGLISH.items()}
