# corbel_floor(NAME PUBLIC libs... PRIVATE libs...): the library corbel::NAME from src/corbel/NAME.
function(corbel_floor name)
  cmake_parse_arguments(FLOOR "" "" "PUBLIC;PRIVATE" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/corbel/${name}/*.cpp)
  file(GLOB headers CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/corbel/${name}/*.hpp)
  add_library(corbel_${name} STATIC ${sources} ${headers})
  add_library(corbel::${name} ALIAS corbel_${name})
  target_include_directories(corbel_${name} PUBLIC $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/src>
                                                   $<INSTALL_INTERFACE:include>)
  target_link_libraries(corbel_${name} PUBLIC ${FLOOR_PUBLIC} PRIVATE ${FLOOR_PRIVATE})
  corbel_compile_options(corbel_${name})
endfunction()

# The warnings and sanitizers of every target.
function(corbel_compile_options target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion)
  if(CORBEL_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  if(CORBEL_SANITIZE)
    target_compile_options(${target} PUBLIC -fsanitize=${CORBEL_SANITIZE} -fno-omit-frame-pointer)
    target_link_options(${target} PUBLIC -fsanitize=${CORBEL_SANITIZE})
  endif()
endfunction()
