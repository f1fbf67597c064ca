# `make run` shows what Corbel does, `make test` checks it, `make validation` holds it against published figures.
# Every other build: cmake --list-presets.
PRESET := $(if $(filter true,$(CI)),ci,release)

.PHONY: run test validation validation-figures

run:
	tools/install-deps
	cmake --preset release
	cmake --build --preset release --target corbel
	build/release/bin/corbel run examples/mobilenet_edge/study.yaml

test:
	tools/install-deps
	cmake --preset $(PRESET)
	cmake --build --preset $(PRESET)
	ctest --preset $(PRESET) --label-exclude '^slow$$' --parallel $$(nproc)

validation:
	tools/install-deps
	cmake --preset release
	cmake --build --preset release --target corbel_validation
	build/release/bin/corbel_validation

validation-figures:
	tools/install-deps
	cmake --preset release
	cmake --build --preset release --target corbel_validation
	build/release/bin/corbel_validation --figures docs/images
