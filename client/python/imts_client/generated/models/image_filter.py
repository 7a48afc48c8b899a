from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from attrs import define as _attrs_define

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.at_least_filter import AtLeastFilter
    from ..models.comparison import Comparison
    from ..models.one_of_values import OneOfValues


T = TypeVar("T", bound="ImageFilter")


@_attrs_define
class ImageFilter:
    """The members are combined with AND. `tag` is a tag, or a part of one with `*`. The rest are the filters of `q`.

    Attributes:
        all_ (list[ImageFilter] | Unset):
        any_ (list[ImageFilter] | Unset):
        none (list[ImageFilter] | Unset):
        at_least (AtLeastFilter | Unset): Matches at least `n` of the filters.
        tag (str | Unset):
        width (Comparison | float | str | Unset):
        height (Comparison | float | str | Unset):
        pixels (Comparison | float | str | Unset):
        tags (Comparison | float | str | Unset):
        ratio (Comparison | float | str | Unset):
        size (Comparison | float | str | Unset):
        date (Comparison | float | str | Unset):
        taken (Comparison | float | str | Unset):
        uploader (OneOfValues | str | Unset):
        name (OneOfValues | str | Unset):
        camera (OneOfValues | str | Unset):
        type_ (OneOfValues | str | Unset):
        visibility (OneOfValues | str | Unset):
        sha256 (OneOfValues | str | Unset):
        similar (OneOfValues | str | Unset):
    """

    all_: list[ImageFilter] | Unset = UNSET
    any_: list[ImageFilter] | Unset = UNSET
    none: list[ImageFilter] | Unset = UNSET
    at_least: AtLeastFilter | Unset = UNSET
    tag: str | Unset = UNSET
    width: Comparison | float | str | Unset = UNSET
    height: Comparison | float | str | Unset = UNSET
    pixels: Comparison | float | str | Unset = UNSET
    tags: Comparison | float | str | Unset = UNSET
    ratio: Comparison | float | str | Unset = UNSET
    size: Comparison | float | str | Unset = UNSET
    date: Comparison | float | str | Unset = UNSET
    taken: Comparison | float | str | Unset = UNSET
    uploader: OneOfValues | str | Unset = UNSET
    name: OneOfValues | str | Unset = UNSET
    camera: OneOfValues | str | Unset = UNSET
    type_: OneOfValues | str | Unset = UNSET
    visibility: OneOfValues | str | Unset = UNSET
    sha256: OneOfValues | str | Unset = UNSET
    similar: OneOfValues | str | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        from ..models.comparison import Comparison
        from ..models.one_of_values import OneOfValues

        all_: list[dict[str, Any]] | Unset = UNSET
        if not isinstance(self.all_, Unset):
            all_ = []
            for all_item_data in self.all_:
                all_item = all_item_data.to_dict()
                all_.append(all_item)

        any_: list[dict[str, Any]] | Unset = UNSET
        if not isinstance(self.any_, Unset):
            any_ = []
            for any_item_data in self.any_:
                any_item = any_item_data.to_dict()
                any_.append(any_item)

        none: list[dict[str, Any]] | Unset = UNSET
        if not isinstance(self.none, Unset):
            none = []
            for none_item_data in self.none:
                none_item = none_item_data.to_dict()
                none.append(none_item)

        at_least: dict[str, Any] | Unset = UNSET
        if not isinstance(self.at_least, Unset):
            at_least = self.at_least.to_dict()

        tag = self.tag

        width: dict[str, Any] | float | str | Unset
        if isinstance(self.width, Unset):
            width = UNSET
        elif isinstance(self.width, Comparison):
            width = self.width.to_dict()
        else:
            width = self.width

        height: dict[str, Any] | float | str | Unset
        if isinstance(self.height, Unset):
            height = UNSET
        elif isinstance(self.height, Comparison):
            height = self.height.to_dict()
        else:
            height = self.height

        pixels: dict[str, Any] | float | str | Unset
        if isinstance(self.pixels, Unset):
            pixels = UNSET
        elif isinstance(self.pixels, Comparison):
            pixels = self.pixels.to_dict()
        else:
            pixels = self.pixels

        tags: dict[str, Any] | float | str | Unset
        if isinstance(self.tags, Unset):
            tags = UNSET
        elif isinstance(self.tags, Comparison):
            tags = self.tags.to_dict()
        else:
            tags = self.tags

        ratio: dict[str, Any] | float | str | Unset
        if isinstance(self.ratio, Unset):
            ratio = UNSET
        elif isinstance(self.ratio, Comparison):
            ratio = self.ratio.to_dict()
        else:
            ratio = self.ratio

        size: dict[str, Any] | float | str | Unset
        if isinstance(self.size, Unset):
            size = UNSET
        elif isinstance(self.size, Comparison):
            size = self.size.to_dict()
        else:
            size = self.size

        date: dict[str, Any] | float | str | Unset
        if isinstance(self.date, Unset):
            date = UNSET
        elif isinstance(self.date, Comparison):
            date = self.date.to_dict()
        else:
            date = self.date

        taken: dict[str, Any] | float | str | Unset
        if isinstance(self.taken, Unset):
            taken = UNSET
        elif isinstance(self.taken, Comparison):
            taken = self.taken.to_dict()
        else:
            taken = self.taken

        uploader: dict[str, Any] | str | Unset
        if isinstance(self.uploader, Unset):
            uploader = UNSET
        elif isinstance(self.uploader, OneOfValues):
            uploader = self.uploader.to_dict()
        else:
            uploader = self.uploader

        name: dict[str, Any] | str | Unset
        if isinstance(self.name, Unset):
            name = UNSET
        elif isinstance(self.name, OneOfValues):
            name = self.name.to_dict()
        else:
            name = self.name

        camera: dict[str, Any] | str | Unset
        if isinstance(self.camera, Unset):
            camera = UNSET
        elif isinstance(self.camera, OneOfValues):
            camera = self.camera.to_dict()
        else:
            camera = self.camera

        type_: dict[str, Any] | str | Unset
        if isinstance(self.type_, Unset):
            type_ = UNSET
        elif isinstance(self.type_, OneOfValues):
            type_ = self.type_.to_dict()
        else:
            type_ = self.type_

        visibility: dict[str, Any] | str | Unset
        if isinstance(self.visibility, Unset):
            visibility = UNSET
        elif isinstance(self.visibility, OneOfValues):
            visibility = self.visibility.to_dict()
        else:
            visibility = self.visibility

        sha256: dict[str, Any] | str | Unset
        if isinstance(self.sha256, Unset):
            sha256 = UNSET
        elif isinstance(self.sha256, OneOfValues):
            sha256 = self.sha256.to_dict()
        else:
            sha256 = self.sha256

        similar: dict[str, Any] | str | Unset
        if isinstance(self.similar, Unset):
            similar = UNSET
        elif isinstance(self.similar, OneOfValues):
            similar = self.similar.to_dict()
        else:
            similar = self.similar

        field_dict: dict[str, Any] = {}

        field_dict.update({})
        if all_ is not UNSET:
            field_dict["all"] = all_
        if any_ is not UNSET:
            field_dict["any"] = any_
        if none is not UNSET:
            field_dict["none"] = none
        if at_least is not UNSET:
            field_dict["at_least"] = at_least
        if tag is not UNSET:
            field_dict["tag"] = tag
        if width is not UNSET:
            field_dict["width"] = width
        if height is not UNSET:
            field_dict["height"] = height
        if pixels is not UNSET:
            field_dict["pixels"] = pixels
        if tags is not UNSET:
            field_dict["tags"] = tags
        if ratio is not UNSET:
            field_dict["ratio"] = ratio
        if size is not UNSET:
            field_dict["size"] = size
        if date is not UNSET:
            field_dict["date"] = date
        if taken is not UNSET:
            field_dict["taken"] = taken
        if uploader is not UNSET:
            field_dict["uploader"] = uploader
        if name is not UNSET:
            field_dict["name"] = name
        if camera is not UNSET:
            field_dict["camera"] = camera
        if type_ is not UNSET:
            field_dict["type"] = type_
        if visibility is not UNSET:
            field_dict["visibility"] = visibility
        if sha256 is not UNSET:
            field_dict["sha256"] = sha256
        if similar is not UNSET:
            field_dict["similar"] = similar

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.at_least_filter import AtLeastFilter
        from ..models.comparison import Comparison
        from ..models.one_of_values import OneOfValues

        d = dict(src_dict)
        _all_ = d.pop("all", UNSET)
        all_: list[ImageFilter] | Unset = UNSET
        if _all_ is not UNSET:
            all_ = []
            for all_item_data in _all_:
                all_item = ImageFilter.from_dict(all_item_data)

                all_.append(all_item)

        _any_ = d.pop("any", UNSET)
        any_: list[ImageFilter] | Unset = UNSET
        if _any_ is not UNSET:
            any_ = []
            for any_item_data in _any_:
                any_item = ImageFilter.from_dict(any_item_data)

                any_.append(any_item)

        _none = d.pop("none", UNSET)
        none: list[ImageFilter] | Unset = UNSET
        if _none is not UNSET:
            none = []
            for none_item_data in _none:
                none_item = ImageFilter.from_dict(none_item_data)

                none.append(none_item)

        _at_least = d.pop("at_least", UNSET)
        at_least: AtLeastFilter | Unset
        if isinstance(_at_least, Unset):
            at_least = UNSET
        else:
            at_least = AtLeastFilter.from_dict(_at_least)

        tag = d.pop("tag", UNSET)

        def _parse_width(data: object) -> Comparison | float | str | Unset:
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                width_type_2 = Comparison.from_dict(data)

                return width_type_2
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(Comparison | float | str | Unset, data)

        width = _parse_width(d.pop("width", UNSET))

        def _parse_height(data: object) -> Comparison | float | str | Unset:
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                height_type_2 = Comparison.from_dict(data)

                return height_type_2
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(Comparison | float | str | Unset, data)

        height = _parse_height(d.pop("height", UNSET))

        def _parse_pixels(data: object) -> Comparison | float | str | Unset:
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                pixels_type_2 = Comparison.from_dict(data)

                return pixels_type_2
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(Comparison | float | str | Unset, data)

        pixels = _parse_pixels(d.pop("pixels", UNSET))

        def _parse_tags(data: object) -> Comparison | float | str | Unset:
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                tags_type_2 = Comparison.from_dict(data)

                return tags_type_2
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(Comparison | float | str | Unset, data)

        tags = _parse_tags(d.pop("tags", UNSET))

        def _parse_ratio(data: object) -> Comparison | float | str | Unset:
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                ratio_type_2 = Comparison.from_dict(data)

                return ratio_type_2
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(Comparison | float | str | Unset, data)

        ratio = _parse_ratio(d.pop("ratio", UNSET))

        def _parse_size(data: object) -> Comparison | float | str | Unset:
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                size_type_2 = Comparison.from_dict(data)

                return size_type_2
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(Comparison | float | str | Unset, data)

        size = _parse_size(d.pop("size", UNSET))

        def _parse_date(data: object) -> Comparison | float | str | Unset:
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                date_type_2 = Comparison.from_dict(data)

                return date_type_2
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(Comparison | float | str | Unset, data)

        date = _parse_date(d.pop("date", UNSET))

        def _parse_taken(data: object) -> Comparison | float | str | Unset:
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                taken_type_2 = Comparison.from_dict(data)

                return taken_type_2
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(Comparison | float | str | Unset, data)

        taken = _parse_taken(d.pop("taken", UNSET))

        def _parse_uploader(data: object) -> OneOfValues | str | Unset:
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                uploader_type_1 = OneOfValues.from_dict(data)

                return uploader_type_1
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(OneOfValues | str | Unset, data)

        uploader = _parse_uploader(d.pop("uploader", UNSET))

        def _parse_name(data: object) -> OneOfValues | str | Unset:
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                name_type_1 = OneOfValues.from_dict(data)

                return name_type_1
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(OneOfValues | str | Unset, data)

        name = _parse_name(d.pop("name", UNSET))

        def _parse_camera(data: object) -> OneOfValues | str | Unset:
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                camera_type_1 = OneOfValues.from_dict(data)

                return camera_type_1
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(OneOfValues | str | Unset, data)

        camera = _parse_camera(d.pop("camera", UNSET))

        def _parse_type_(data: object) -> OneOfValues | str | Unset:
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                type_type_1 = OneOfValues.from_dict(data)

                return type_type_1
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(OneOfValues | str | Unset, data)

        type_ = _parse_type_(d.pop("type", UNSET))

        def _parse_visibility(data: object) -> OneOfValues | str | Unset:
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                visibility_type_1 = OneOfValues.from_dict(data)

                return visibility_type_1
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(OneOfValues | str | Unset, data)

        visibility = _parse_visibility(d.pop("visibility", UNSET))

        def _parse_sha256(data: object) -> OneOfValues | str | Unset:
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                sha256_type_1 = OneOfValues.from_dict(data)

                return sha256_type_1
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(OneOfValues | str | Unset, data)

        sha256 = _parse_sha256(d.pop("sha256", UNSET))

        def _parse_similar(data: object) -> OneOfValues | str | Unset:
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                similar_type_1 = OneOfValues.from_dict(data)

                return similar_type_1
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(OneOfValues | str | Unset, data)

        similar = _parse_similar(d.pop("similar", UNSET))

        image_filter = cls(
            all_=all_,
            any_=any_,
            none=none,
            at_least=at_least,
            tag=tag,
            width=width,
            height=height,
            pixels=pixels,
            tags=tags,
            ratio=ratio,
            size=size,
            date=date,
            taken=taken,
            uploader=uploader,
            name=name,
            camera=camera,
            type_=type_,
            visibility=visibility,
            sha256=sha256,
            similar=similar,
        )

        return image_filter
