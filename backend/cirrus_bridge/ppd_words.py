"""The words of generated PPDs, by language: names of options, and of their choices."""

from __future__ import annotations

LANGUAGES = ("de", "fr", "es", "ja")

_KEYS = (
    "PageSize", "PageRegion",
    "InputSlot", "InputSlot Auto",
    "ColorModel", "ColorModel RGB", "ColorModel Gray",
    "Duplex", "Duplex None", "Duplex DuplexNoTumble", "Duplex DuplexTumble",
    "Collate", "Collate False", "Collate True",
    "Resolution",
    "Cirrus", "CirrusScale", "CirrusScale Default", "CirrusScale Fit", "CirrusScale Shrink",
    "CirrusScale Actual",
    "CirrusPriority", "CirrusPriority Default",
    "CirrusBitmap", "CirrusBitmap Default", "CirrusBitmap 300", "CirrusBitmap 600",
)  # fmt: skip
_WORDS = {
    "en": (
        "Media Size", "Media Size",
        "Media Source", "Automatic",
        "Color Mode", "Color", "Grayscale",
        "2-Sided Printing", "Off", "Long Edge (Standard)", "Short Edge (Flip)",
        "Collate", "No", "Yes",
        "Resolution",
        "Cloud", "Scaling at the Device", "Default", "Fit to Page", "Shrink to Fit", "Actual Size",
        "Priority in the Cloud", "Default",
        "Print as Bitmap", "Default", "300 dpi", "600 dpi",
    ),
    "de": (
        "Papierformat", "Papierformat",
        "Papierquelle", "Automatisch",
        "Farbmodus", "Farbe", "Graustufen",
        "Beidseitiger Druck", "Aus", "Lange Seite (Standard)", "Kurze Seite",
        "Sortieren", "Nein", "Ja",
        "Auflösung",
        "Cloud", "Skalierung am Gerät", "Standard", "An Seite anpassen", "Bei Bedarf verkleinern",
        "Tatsächliche Größe",
        "Priorität in der Cloud", "Standard",
        "Als Bitmap drucken", "Standard", "300 dpi", "600 dpi",
    ),
    "fr": (
        "Format du papier", "Format du papier",
        "Source du papier", "Automatique",
        "Mode couleur", "Couleur", "Niveaux de gris",
        "Impression recto verso", "Désactivée", "Bord long (standard)", "Bord court",
        "Assembler", "Non", "Oui",
        "Résolution",
        "Cloud", "Mise à l’échelle par l’appareil", "Par défaut", "Ajuster à la page",
        "Réduire si nécessaire", "Taille réelle",
        "Priorité dans le cloud", "Par défaut",
        "Imprimer en bitmap", "Par défaut", "300 ppp", "600 ppp",
    ),
    "es": (
        "Tamaño de papel", "Tamaño de papel",
        "Origen del papel", "Automático",
        "Modo de color", "Color", "Escala de grises",
        "Impresión a doble cara", "No", "Borde largo (estándar)", "Borde corto",
        "Intercalar", "No", "Sí",
        "Resolución",
        "Nube", "Escala en el dispositivo", "Predeterminada", "Ajustar a la página",
        "Reducir si es necesario", "Tamaño real",
        "Prioridad en la nube", "Predeterminada",
        "Imprimir como mapa de bits", "Predeterminado", "300 ppp", "600 ppp",
    ),
    "ja": (
        "用紙サイズ", "用紙サイズ",
        "給紙方法", "自動",
        "カラーモード", "カラー", "グレースケール",
        "両面印刷", "オフ", "長辺とじ (標準)", "短辺とじ",
        "部単位で印刷", "いいえ", "はい",
        "解像度",
        "クラウド", "デバイスでの拡大縮小", "既定", "ページに合わせる", "必要なら縮小",
        "実際のサイズ",
        "クラウドでの優先度", "既定",
        "ビットマップとして印刷", "既定", "300 dpi", "600 dpi",
    ),
}  # fmt: skip
WORDS = {language: dict(zip(_KEYS, words, strict=True)) for language, words in _WORDS.items()}
