use icu_properties::props::{DefaultIgnorableCodePoint, GeneralCategory, GeneralCategoryGroup};
use icu_properties::{CodePointMapData, CodePointSetData};

/// Whether `c` may stand in a name that a person reads: it is no control or format character (zero-width, bidirectional), no line
/// separator, not unassigned or private, and not ignored when displayed (The Unicode Standard, 5.21).
pub fn is_visible(c: char) -> bool {
    const INVISIBLE: GeneralCategoryGroup = GeneralCategoryGroup::Other
        .union(GeneralCategoryGroup::LineSeparator)
        .union(GeneralCategoryGroup::ParagraphSeparator);
    let category = CodePointMapData::<GeneralCategory>::new().get(c);
    !INVISIBLE.contains(category) && !CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
}
