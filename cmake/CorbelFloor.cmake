include(GNUInstallDirs)

# A source that includes LibTorch takes 1.3 GB to compile: two at a time, however many cores there are.
set_property(GLOBAL APPEND PROPERTY JOB_POOLS torch=2)

# corbel_floor(NAME PUBLIC libs... PRIVATE libs... EXCLUDE files...): the library corbel::NAME from all of
# src/corbel/NAME but the files excluded.
# Headers directly in that folder are public and installed; those in its folder internal/ are not.
function(corbel_floor name)
  cmake_parse_arguments(FLOOR "" "" "PUBLIC;PRIVATE;EXCLUDE" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/corbel/${name}/*.cpp)
  list(TRANSFORM FLOOR_EXCLUDE PREPEND ${CMAKE_SOURCE_DIR}/src/corbel/${name}/)
  if(FLOOR_EXCLUDE)
    list(REMOVE_ITEM sources ${FLOOR_EXCLUDE})
  endif()
  file(GLOB headers CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/corbel/${name}/*.hpp)
  add_library(corbel_${name} STATIC ${sources})
  add_library(corbel::${name} ALIAS corbel_${name})
  set_target_properties(corbel_${name} PROPERTIES EXPORT_NAME ${name})
  target_compile_features(corbel_${name} PUBLIC cxx_std_20)
  target_sources(corbel_${name} PUBLIC FILE_SET HEADERS BASE_DIRS ${CMAKE_SOURCE_DIR}/src FILES ${headers})
  target_link_libraries(corbel_${name} PUBLIC ${FLOOR_PUBLIC} PRIVATE ${FLOOR_PRIVATE})
  corbel_compile_options(corbel_${name})

  # The floors from surrogate upwards link LibTorch when there is one; the others must be usable without it.
  if(CORBEL_WITH_TORCH AND TARGET corbel_surrogate)
    set(export corbelTrainingTargets)
  else()
    set(export corbelCoreTargets)
  endif()
  set_property(GLOBAL APPEND PROPERTY ${export} ${name})
  install(TARGETS corbel_${name} EXPORT ${export} ARCHIVE FILE_SET HEADERS)
endfunction()

# The warnings and sanitizers of every target.
function(corbel_compile_options target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion)
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # GCC 12 sees overlaps in the concatenation of strings that are not there (its bug 105651).
    target_compile_options(${target} PRIVATE -Wno-restrict)
  endif()
  if(CORBEL_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  if(CORBEL_SANITIZE)
    target_compile_options(${target} PUBLIC -fsanitize=${CORBEL_SANITIZE} -fno-sanitize-recover=all
                                            -fno-omit-frame-pointer)
    target_link_options(${target} PUBLIC -fsanitize=${CORBEL_SANITIZE})
  endif()
endfunction()
