"""Operations workbook for the K1 firmware line."""

__version__ = "0.1.0"
